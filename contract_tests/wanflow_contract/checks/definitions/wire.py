"""Checks of HTTP itself."""

from __future__ import annotations

from wanflow_contract.checks.check import Check

VALID_HTTP = Check(
    "valid-http",
    "A request is understood in every form that HTTP allows.",
    "RFC 9112: sections 2.2, 5.1, 9.3; RFC 9110: sections 5.1, 9.1, 10.1.1",
)
IN_ORDER = Check(
    "in-order",
    "Requests on one connection are answered in their order, each by its own response.",
    "RFC 9112, section 9.3.2",
)
NO_BODY = Check(
    "head-without-body",
    "A response to HEAD has no body.",
    "RFC 9110, section 9.3.2: the server MUST NOT send content in the response",
)
CLOSES = Check(
    "closes",
    "A server closes a connection that the client asked it to close.",
    "RFC 9112, section 9.6: a server that receives a close option MUST initiate closure",
)
BROKEN = Check(
    "broken-http",
    "A broken request is rejected, or its connection is closed; it makes nothing fail.",
    "400: Invalid request format; RFC 9112, section 6.3",
)
REST_IGNORED = Check(
    "refused-body",
    "The body of a refused request isn't read as the next request.",
    "RFC 9112, section 9.3: a server that doesn't read the entire request closes the connection",
)
