"""Without the media extra, small valid files are used, and importing is cheap."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.examples import examples
from wanflow.mock.files.media import available, placeholder_mp4, placeholder_png

WITHOUT_THE_EXTRA = """
import sys
sys.modules["av"] = sys.modules["PIL"] = None
from wanflow.mock.files.media import *
assert not available()
assert placeholder_png(640, 360).startswith(b"\\x89PNG")
assert placeholder_mp4()[4:8] == b"ftyp"
for render, subject in (
    (render_png, ImageSpec(64, 64, "", "m", "t")),
    (render_mp4, VideoSpec(64, 64, 1, "", "m", "t")),
):
    try:
        render(subject)
    except MediaMissing as error:
        assert "pip install 'wanflow[media]'" in str(error)
    else:
        raise AssertionError(render)
print("stood in")
"""

IMPORTS_NOTHING = """
import sys
import wanflow.mock.files.media
assert not {"av", "PIL", "numpy"} & set(sys.modules), "imported too early"
print("imported nothing")
"""


@settings(max_examples=examples(40))
@given(width=st.integers(1, 3000), height=st.integers(1, 3000))
def test_a_placeholder_png_has_the_asked_size(width: int, height: int) -> None:
    """A decoder that checks every sum reads the picture in the asked size, in two colours."""
    data = placeholder_png(width, height)
    with Image.open(BytesIO(data)) as image:
        image.verify()
    with Image.open(BytesIO(data)) as image:
        assert image.size == (width, height)
        assert len(image.convert("RGB").getcolors() or ()) in {1, 2}
    assert len(data) < 20_000


def test_the_placeholder_mp4_plays() -> None:
    """The packaged video can be decoded, has sound, and is small."""
    data = placeholder_mp4()
    assert len(data) < 60_000
    assert data.index(b"moov") < data.index(b"mdat")
    with av.open(BytesIO(data)) as file:
        context = file.streams.video[0].codec_context
        assert (context.name, context.codec_tag, context.pix_fmt) == ("h264", "avc1", "yuv420p")
        assert len(file.streams.audio) == 1
        assert sum(1 for _ in file.decode(video=0)) == 48


def test_the_extra_is_installed() -> None:
    """In the test environment images and videos can be made."""
    assert available()


@pytest.mark.processes
@pytest.mark.parametrize(
    ("program", "said"),
    [(WITHOUT_THE_EXTRA, "stood in"), (IMPORTS_NOTHING, "imported nothing")],
    ids=["without-the-extra", "lazy"],
)
def test_the_base_install_is_enough(program: str, said: str) -> None:
    """Without Pillow and PyAV the package works with placeholders, and names the pip command."""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout.strip(), done.stderr) == (said, "")
