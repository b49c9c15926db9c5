"""What holds for all tests."""

import signal

# A shell ignores Ctrl-C for what runs in its background: tests that press it would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
