"""Checks of headers: those of a response, and how those of a request are understood."""

from __future__ import annotations

from wanflow_contract.checks.check import Check

RETRY = Check(
    "retry-after",
    "Retry-After is a number of seconds or a date, and is sent once.",
    "RFC 9110, section 2.2: A sender MUST NOT generate protocol elements that do not match the"
    " grammar defined by the corresponding ABNF rules.; RFC 9110, section 5.3: a sender MUST NOT"
    " generate multiple field lines with the same name in a message",
    why="A client that can't read it retries too early, or never.",
    correct="It sends none, or one with whole seconds or an HTTP date.",
)
RETRY_TIME = Check(
    "retry-time",
    "Retry-After is within a year, and not later than what `fallback_suggestion` says.",
    note=True,
    why="A client that trusts the header waits much longer than it has to.",
    correct="The header and the suggestion name the same time.",
)
CHALLENGE = Check(
    "challenge",
    "If a 401 names the schemes that the server accepts, bearer is one of them.",
    "#/components/securitySchemes/bearerAuth; RFC 9110, section 15.5.2: The server generating a 401"
    " response MUST send a WWW-Authenticate header field (Section 11.6.1) containing at least one"
    " challenge applicable to the target resource.",
    why="A client that follows the challenge authenticates in a way that is never accepted.",
    correct="It sends no WWW-Authenticate, or one with the scheme Bearer.",
)
ALLOW = Check(
    "allow",
    "If a 405 lists the allowed methods, it lists the documented one, and not the refused one.",
    "RFC 9110, section 15.5.6: The origin server MUST generate an Allow header field in a 405"
    " response containing a list of the target resource's currently supported methods.",
    why="A client that follows the list sends what is refused again.",
    correct="It sends no Allow, or one that lists what it supports.",
)
NOT_SHARED = Check(
    "not-shared",
    "A response about a task isn't offered to shared caches, which serve it without a key.",
    "All APIs require Bearer Token authentication; RFC 9111, section 3.5: A shared cache MUST NOT"
    " use a cached response to a request with an Authorization header field (Section 11.6.2 of"
    " [HTTP]) to satisfy any subsequent request unless the response contains a Cache-Control field"
    " with a response directive (Section 5.2.2) that allows it",
    why="A cache between server and clients shows an account's task to anyone.",
    correct="It sends no Cache-Control, or one without `public` and `s-maxage`.",
)
WAIT_NOT_CACHED = Check(
    "refusal-not-cached",
    "A refusal that asks to retry later isn't cached for longer than that.",
    "#/paths/~1v1~1tasks~1{task_id}/get/responses/429/content/application~1json: retry after 60"
    " seconds",
    why="A retry gets the old refusal from a cache, however long the client waits.",
    correct="It allows no cache to keep a 429 or 503, or only until the retry.",
)
NOT_CACHED = Check(
    "not-cached",
    "The status of a running task must not be cached for long.",
    "Answers with the task as it stands now.",
    why="A client polls a cache, and doesn't learn that the task has ended.",
    correct="It allows no cache to keep the status of a running task for minutes.",
)
CURRENT = Check(
    "current",
    "A query returns the task as it stands, unless the client has that very version already.",
    "Answers with the task as it stands now.; RFC 9110, section 14.2: An origin server MUST ignore"
    " a Range header field that contains a range unit it does not understand.",
    why="A client gets no task, or a piece of one, where it asked for its state.",
    correct="It ignores conditions and ranges, or applies them as HTTP defines them.",
)
DATE = Check(
    "date",
    "The date of a response is about now, if it has one.",
    note=True,
    why="A client that reads times by the clock of the server reads them wrongly.",
    correct="It sends no Date, or one within ten minutes of now.",
)
IGNORED = Check(
    "unknown-header",
    "A header that the server doesn't know doesn't change what a request does.",
    note=True,
    why="Proxies and libraries add headers; a request must not depend on them.",
    correct="It ignores headers that the documents don't mention.",
)
