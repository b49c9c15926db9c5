"""Start the mock, or with `contract` the contract suite, as process 1 of a container.

The kernel drops each signal that process 1 doesn't handle: without this, a container that is
stopped during the imports ends only when it is killed, ten seconds later.
"""

import os
import signal
import sys

signal.signal(signal.SIGTERM, lambda *_: os._exit(0))

from wanflow.cli import main  # noqa: E402

if sys.argv[1:2] == ["contract"]:
    # The suite has a handler of its own, and writes its report first.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    main(sys.argv[1:], prog_name="wanflow")
else:
    main(["mock", "--host", "0.0.0.0", *sys.argv[1:]], prog_name="wanflow")
