"""Checks of what a request costs."""

from __future__ import annotations

from wanflow_contract.checks.check import Check

_CHARGED = (
    "A single request will be pre-charged based on the value of `n`, and the actual charge will be"
    " based on the number of generated images"
)

PRECHARGE = Check(
    "pre-charge",
    "A request is charged in advance by the parameter that the documents name.",
    _CHARGED,
    why="A client that estimates its costs by the documents is wrong.",
    correct="`credits_reserved` rises with the number of images or seconds, or is always 0.",
)
CHARGE = Check(
    "charge",
    "A task is charged by what it made: the number of images, or the seconds of video.",
    _CHARGED,
    why="A client that estimates its costs by the documents is wrong.",
    correct="`usage.credits_used` rises with that number, or is absent or always 0.",
)
QUALITY = Check(
    "quality-price",
    "An option documented as cheaper costs less.",
    "`480p`: Lower quality, lower price",
    why="A client that chooses the lower quality to save credits saves none.",
    correct="`credits_reserved` is lower for the option with the lower price.",
)
AS_DEFAULT_PRICE = Check(
    "default-price",
    "An omitted parameter costs the same as its default.",
    "Video quality, defaults to `720p`; `720p`: Standard quality, standard price, this is the"
    " default",
    why="A client that relies on the default pays another price.",
    correct="A request without the parameter costs what the default costs.",
)
REJECTED_FREE = Check(
    "rejected-free",
    "A rejected submission costs nothing.",
    _CHARGED,
    why="A mistake costs credits, although nothing was generated.",
    correct="It reserves and charges nothing for what it rejects.",
)
FAILED_FREE = Check(
    "failed-free",
    "A task that failed costs nothing.",
    "the actual charge will be based on the number of generated images",
    why="Customers pay for nothing.",
    correct="It gives back what it reserved when a task fails.",
)
CHARGED_ONCE = Check(
    "charged-once",
    "A submission is charged once, as its receipt says; polls cost nothing.",
    _CHARGED,
    why="A client pays twice, or for asking.",
    correct="It charges what `credits_reserved` says, once.",
)
USED = Check(
    "used-credits",
    "A task uses no more credits than were charged in advance.",
    note=True,
    why="A client that counts what was charged in advance spends more than it knows.",
    correct="It reserves the most that a task can use; the documents call it an estimate.",
)
SAME = Check(
    "same-price",
    "Equal requests cost the same.",
    note=True,
    why="A client that estimates its costs by earlier ones is wrong.",
    correct="The price of a request follows from the request.",
)
STABLE_PRICE = Check(
    "one-price",
    "Equal requests of an account always cost the same.",
    note=True,
    why="A client that estimates its costs by earlier ones is wrong.",
    correct="The price of a request follows from the request and the account.",
)
ONE_RULE = Check(
    "one-rule",
    "A model has one billing rule for an account, and an account has one user group.",
    note=True,
    why="A client that estimates its costs by the rule is wrong.",
    correct="`billing_rule` and `user_group` are the same in each response.",
)
USAGE = Check(
    "usage",
    "The cost of a task is never negative, and its billing rule never changes.",
    note=True,
    why="A client that adds up costs gets a wrong sum.",
    correct="The amounts in `usage` are at least 0, and the rule stays.",
)
NO_SURCHARGE = Check(
    "no-surcharge",
    "Several images in one request cost no more than in several requests.",
    note=True,
    why="A client that asks for several images together pays more for the same.",
    correct="The price for n images is at most n times the price for one.",
)
NO_CHARGE = Check(
    "no-charge",
    "The length of a prompt and a callback URL cost nothing.",
    note=True,
    why="A client pays for what the documents name no price of.",
    correct="Only what the documents name raises the price, unless it is charged by token.",
)
