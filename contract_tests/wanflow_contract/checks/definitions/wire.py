"""Checks of HTTP itself."""

from __future__ import annotations

from wanflow_contract.checks.check import Check

VALID_HTTP = Check(
    "valid-http",
    "A request is understood in every form that HTTP allows.",
    "RFC 9110, section 2.4: A recipient MUST interpret a received protocol element according to"
    " the semantics defined for it by this specification; RFC 9110, section 5.5: a field parsing"
    " implementation MUST exclude such whitespace prior to evaluating the field value.",
    why="Libraries and proxies write requests in all these forms.",
    correct="It parses requests as HTTP defines them, however they are cut or written.",
)
IN_ORDER = Check(
    "in-order",
    "Requests on one connection are answered in their order, each by its own response.",
    "RFC 9112, section 9.3.2: it MUST send the corresponding responses in the same order that the"
    " requests were received.",
    why="A client takes the response to one request for that to another.",
    correct="It answers in order, or closes the connection.",
)
NO_BODY = Check(
    "head-without-body",
    "A response to HEAD has no body.",
    "RFC 9110, section 9.3.2: The HEAD method is identical to GET except that the server MUST NOT"
    " send content in the response.",
    why="A client reads the body as the next response.",
    correct="It ends the response after its headers.",
)
CLOSES = Check(
    "closes",
    "A server closes a connection that the client asked it to close.",
    'RFC 9112, section 9.6: A server that receives a "close" connection option MUST initiate'
    " closure of the connection (see below) after it sends the final response to the request that"
    ' contained the "close" connection option.',
    why="A client that reads until the end waits for ever.",
    correct="It closes after the response.",
)
BROKEN = Check(
    "broken-http",
    "A broken request is rejected, or its connection is closed; it makes nothing fail.",
    "RFC 9112, section 6.3: If the unrecoverable error is in a request message, the server MUST"
    " respond with a 400 (Bad Request) status code and then close the connection.",
    why="Two servers in a row read two different requests, and one customer gets another's task.",
    correct="It answers 4xx, 501 or 505, or closes.",
)
REST_IGNORED = Check(
    "refused-body",
    "The body of a refused request isn't read as the next request.",
    "RFC 9112, section 9.3: A server MUST read the entire request message body or close the"
    " connection after sending its response; otherwise, the remaining data on a persistent"
    " connection would be misinterpreted as the next request.",
    why="What a client sends as data is run as a request.",
    correct="It reads the body to its end, or closes.",
)
CONTINUES = Check(
    "continues",
    "A client that waits with its body for 100 Continue gets it, or a final response.",
    note=True,
    why="Such a client waits a second or longer before it sends each request.",
    correct="It sends 100 Continue, or a final status, when it has read the headers.",
)
CHUNK_SIZE = Check(
    "chunk-size",
    "The size of a chunk means the same in small letters and in capitals.",
    note=True,
    why="The requests of some libraries are refused, and those of others aren't.",
    correct="It reads the hexadecimal digits in either case.",
)
