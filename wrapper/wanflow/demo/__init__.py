"""The main job, shown: every model once, on both clients, from request to file.

`python -m wanflow.demo`, or `make demo`, runs it against the bundled mock.
"""
