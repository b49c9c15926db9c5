"""The fixture `windows_files`, for the tests here."""

from tests.platforms.windows_files import windows_files

__all__ = ["windows_files"]
