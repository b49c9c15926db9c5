"""Demo: one request for each model, with the sync and the async client, up to the saved files.

`python -m wanflow.demo`, or `make demo`, runs it against the bundled mock.
"""
