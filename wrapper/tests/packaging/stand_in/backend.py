"""Build the smallest wheel there is: a backend for a project installed with no network."""

from pathlib import Path
from zipfile import ZipFile

TAGS = "Wheel-Version: 1.0\nGenerator: stand-in\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def wheel(folder: str | Path, name: str) -> str:
    """Write version 1 of the distribution `name`, one empty module, and return its file name."""
    info = f"{name}-1.dist-info"
    filename = f"{name}-1-py3-none-any.whl"
    parts = {
        f"{name}.py": "",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n",
        f"{info}/WHEEL": TAGS,
    }
    with ZipFile(Path(folder) / filename, "w") as archive:
        for path, text in {**parts, f"{info}/RECORD": ",,\n".join([*parts, ""])}.items():
            archive.writestr(path, text)
    return filename


def build_editable(
    folder: str, settings: object = None, metadata: object = None
) -> str:  # the names and places that PEP 660 gives them
    """Be what pip calls for `-e .`."""
    return wheel(folder, "standin")
