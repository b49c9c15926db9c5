"""Check from its text alone whether a URL's host could be on the public internet.

No name is resolved: the sender has to reject a name that resolves to an internal address.
It is strict on purpose: a text that some resolver or browser would read as an address (`127.1`,
`0x7f000001`, full-width digits) is rejected.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata

_AUTHORITY = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*://(\[[0-9A-Fa-f:.]+\]|[^\s/?#\\@:\[\]%]+)(?::([0-9]{1,5}))?(?=[/?#]|$)"
)
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)

# RFC 6761, RFC 6762, RFC 7686, RFC 8375, RFC 9476 and internal names of cloud networks.
# The names, and what is inside them.
_SPECIAL_DOMAINS = tuple(
    f".{name}"
    for name in (
        "localhost",
        "local",
        "internal",
        "home.arpa",
        "onion",
        "alt",
        "invalid",
        "test",
        "intranet",
        "lan",
        "corp",
        "home",
        "localdomain",
    )
)

# The IANA registry of special-purpose IPv4 addresses, with multicast and reserved addresses.
_INTERNAL_V4 = tuple(
    ipaddress.IPv4Network(block)
    for block in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
# The blocks of 2000::/3 that aren't public hosts: Teredo and the other protocol assignments,
# documentation (two blocks), and 6to4.
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
_INTERNAL_V6 = tuple(
    ipaddress.IPv6Network(block)
    for block in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)


def public_url_problem(url: str) -> str | None:
    """Return why a URL's host isn't public, as the end of a sentence; None if it is public."""
    found = _AUTHORITY.match(url)
    if found is None:
        return "must be an absolute URL with a plain host: no user name, backslash or white space"
    if found[2] and not 0 < int(found[2]) <= 65535:  # noqa: PLR2004 - the range of a port
        return f"must have a port from 1 to 65535, not {found[2]}"
    host = found[1]
    if host.startswith("["):
        return _ipv6_problem(host[1:-1])
    return _host_problem(host)


def is_public_address(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Return whether an address is one of a public host.

    Unlike `ipaddress.is_global`, it is false for mapped, NAT64, 6to4 and multicast addresses.
    """
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in block for block in _INTERNAL_V4)
    return address in _GLOBAL_V6 and not any(address in block for block in _INTERNAL_V6)


def _ipv6_problem(text: str) -> str | None:
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return f"must not name the host [{text}]: it isn't a valid IPv6 address"
    return None if is_public_address(address) else f"must not name the internal address {address}"


def _host_problem(host: str) -> str | None:
    if unicodedata.normalize("NFKC", host) != host or not host.isascii():
        return f"must spell its host in ASCII (xn--… for other letters), not {host!r}"
    name = host.lower()
    labels = name.removesuffix(".").split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):  # noqa: PLR2004 - RFC 1035
        return f"must name a valid host, not {host!r}"
    if _reads_as_number(labels[-1]):
        return _ipv4_problem(name)
    if len(labels) == 1 or f".{'.'.join(labels)}".endswith(_SPECIAL_DOMAINS):
        return f"must not name the internal host {host!r}"
    return None


def _reads_as_number(label: str) -> bool:
    return label.isdigit() or re.fullmatch(r"0x[0-9a-f]*", label) is not None


def _ipv4_problem(name: str) -> str | None:
    try:
        address = ipaddress.IPv4Address(name)
    except ValueError:
        return f"must spell an IPv4 address as four plain decimals, not {name!r}"
    return None if is_public_address(address) else f"must not name the internal address {address}"
