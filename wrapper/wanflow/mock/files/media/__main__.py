"""Make the clip that stands in for all others where the `media` extra is missing.

`python -m wanflow.mock.files.media` writes it beside this file; its bytes depend on the installed
encoder, so it is made once and committed.
"""

from pathlib import Path

from wanflow.mock.files.media import VideoSpec, render_mp4

STAND_IN = VideoSpec(
    width=320,
    height=180,
    seconds=2,
    prompt="A stand-in. For clips made to measure: pip install 'wanflow[media]'",
    model="placeholder",
    task_id="no task",
    sound=True,
)

if __name__ == "__main__":
    Path(__file__).with_name("placeholder.mp4").write_bytes(render_mp4(STAND_IN))
