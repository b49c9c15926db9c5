"""`python -m wanflow.mock`."""

from wanflow.mock.commands import mock

if __name__ == "__main__":
    mock(prog_name="python -m wanflow.mock")
