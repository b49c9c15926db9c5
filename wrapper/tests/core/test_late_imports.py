"""Threads that use the library for the first time concurrently: each gets what it imports."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SCRIPT = '''
"""While one thread imports a module, start others, and record who imports what."""
import sys
from importlib import import_module
from importlib.machinery import PathFinder
from threading import Thread, get_ident

PACKAGE, FIRST, OTHERS = sys.argv[1], sys.argv[2], sys.argv[3:]
started, imported, errors = [], [], []


def use(expression):
    try:
        eval(expression)
    except BaseException as error:
        errors.append(f"{expression}: {error!r}")


class Finder:
    def find_spec(self, name, path=None, target=None):
        if not name.startswith(PACKAGE + "."):
            return None
        found = PathFinder.find_spec(name, path, target)
        load = found.loader.exec_module

        def exec_module(module):
            imported.append(get_ident())
            load(module)
            if len(imported) >= 3 and not started:
                for expression in OTHERS:
                    started.append(Thread(target=use, args=(expression,)))
                    started[-1].start()
                    started[-1].join(0.3)

        found.loader.exec_module = exec_module
        return found


import wanflow
from wanflow._flows.request_builder import generated

sys.meta_path.insert(0, Finder())
first = Thread(target=use, args=(FIRST,))
first.start()
first.join()
for thread in started:
    thread.join()
own = imported.count(imported[0])
print(errors, bool(started), own > 3, set(imported[:own]) == {imported[0]})
'''
GENERATED = ("generated('api.image_generation.create_image_generation')",)
GENERATED += ("generated('api.video_generation.create_video_generation')", "generated('models')")


@pytest.mark.processes
@pytest.mark.parametrize(
    ("package", "uses"),
    [
        pytest.param("wanflow_client.models", GENERATED, id="generated"),
        pytest.param(
            "wanflow",
            ("wanflow.Ledger", "wanflow.AsyncClient", "wanflow.Client", "wanflow.NotFound"),
            id="wrapper",
        ),
    ],
)
def test_threads_that_import_concurrently(package: str, uses: tuple[str, ...]) -> None:
    """Each gets its module, and no thread begins within the imports of another one.

    CPython 3.14 raises `_DeadlockError` in one of two threads that wait for each other.
    """
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, package, *uses],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.stdout.strip(), done.stderr) == ("[] True True True", "")


FORK = """
import os
from threading import Event, Thread
import wanflow
taken, end = Event(), Event()


def hold():
    with wanflow._importing:
        taken.set()
        end.wait()


Thread(target=hold).start()
taken.wait()
child = os.fork()
if child == 0:
    wanflow.Client
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
end.set()
"""


@pytest.mark.processes
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_new_process_does_not_wait_for_a_thread_that_it_lacks() -> None:
    """A fork while another thread imports leaves no lock that nobody opens."""
    words = [sys.executable, "-W", "ignore", "-c", FORK]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    assert (done.stdout.strip(), done.stderr) == ("7", "")
