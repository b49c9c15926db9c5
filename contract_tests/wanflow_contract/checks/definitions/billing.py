"""Checks of what a request costs."""

from __future__ import annotations

from wanflow_contract.checks.check import Check

ONE_RULE = Check("one-rule", "A model has one billing rule, and an account has one user group.")
STABLE_PRICE = Check("one-price", "Equal requests of an account always cost the same.")
USAGE = Check("usage", "The cost of a task is never negative, and its billing rule never changes.")
PRECHARGE = Check(
    "pre-charge", "A request is charged in advance by the parameter that the documents name."
)
QUALITY = Check("quality-price", "An option documented as cheaper costs less.")
REJECTED_FREE = Check("rejected-free", "A rejected submission costs nothing.")
SAME = Check(
    "same-price",
    "Equal requests cost the same, and an omitted parameter costs the same as its default.",
)
NO_SURCHARGE = Check(
    "no-surcharge", "Several images in one request cost no more than in several requests."
)
NO_CHARGE = Check("no-charge", "The length of a prompt and a callback URL cost nothing.")
FAILED_FREE = Check(
    "failed-free",
    "A task that failed costs nothing.",
    "the actual charge will be based on the number of generated images",
)
CHARGED_ONCE = Check(
    "charged-once", "A submission is charged once, as its receipt says; polls cost nothing."
)
