"""Callback URLs: public ones, internal ones, and ones with a wrong scheme.

They are listed rather than computed, to be independent of the code under test.
"""

from __future__ import annotations

PUBLIC_URLS = (
    "https://example.com/hook",
    "https://hooks.example.com/localhost/b?from=127.0.0.1&task=10.0.0.1",
    "https://example.com:8443/hook",
    "https://xn--bcher-kva.example.com/hook",
    "https://Example.COM/hook",
    "https://example.com/a%20b%2Bc?task=a_b",
    "https://8.8.8.8/hook",
    "https://172.15.255.255/hook",
    "https://172.32.0.1/hook",
    "https://11.0.0.1/hook",
    "https://192.167.1.1/hook",
    "https://10.example.com/hook",
    "https://your-domain.com/webhooks/done",
)
INTERNAL_URLS = (
    "https://127.0.0.1/hook",
    "https://127.0.0.1:8443/hook",
    "https://127.9.9.9/hook",
    "https://10.0.0.1/hook",
    "https://10.255.255.255/hook",
    "https://172.16.0.1/hook",
    "https://172.20.1.2/hook",
    "https://172.31.255.255/hook",
    "https://192.168.0.1/hook",
    "https://192.168.255.255/hook",
    "https://169.254.169.254/latest/meta-data",
    "https://0.0.0.0/hook",
    "https://localhost/hook",
    "https://[::1]/hook",
    "https://[::ffff:127.0.0.1]/hook",
    "https://LOCALHOST/hook",
    "https://169.254.1.1/hook",
    "https://100.64.0.1/hook",
    "https://[::]/hook",
    "https://[fe80::1]/hook",
    "https://[fd00::1]/hook",
    "https://[fc00::1]:8443/hook",
    "https://[::ffff:10.0.0.1]/hook",
    "https://2130706433/hook",
    "https://0x7f000001/hook",
    "https://0177.0.0.1/hook",
    "https://127.1/hook",
    "https://example.com@10.0.0.1/hook",
    "https://user:word@127.0.0.1:8443/hook",
    "https://example.com@localhost/hook",
    "https://8.8.8.8@169.254.169.254/latest/meta-data",
    "https://example.com@[::1]/hook",
)
WRONG_SCHEMES = (
    "http://example.com/hook",
    "ftp://example.com/hook",
    "ws://example.com/hook",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "//example.com/hook",
    "example.com/hook",
    "/hook",
    "https",
    "hook",
    "",
)
