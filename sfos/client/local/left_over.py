"""Temporary files that interrupted downloads have left, and that no download will go on with."""

from __future__ import annotations

import contextlib
import os

from sfos.client.local.names import code_in_partial, is_partial, partial_name
from sfos.client.local.writing import LocalFolder


class LeftOver:
    """Temporary files of interrupted downloads in a folder, by the names that they were to get."""

    def __init__(self, folder: LocalFolder) -> None:
        """A folder that cannot be listed has nothing that could be told."""
        self._folder = folder
        self._found: dict[str, list[str]] = {}
        with contextlib.suppress(OSError):
            by_descriptor = os.listdir in os.supports_fd and folder.descriptor is not None
            place = folder.descriptor if by_descriptor else folder.path
            for name in os.listdir(place):  # noqa: PTH208 - a descriptor, where there is one
                if is_partial(name):
                    self._found.setdefault(code_in_partial(name), []).append(name)

    @property
    def is_any(self) -> bool:
        """Whether there is something."""
        return bool(self._found)

    def remove_others(self, content: bytes, name: str) -> None:
        """Remove what is left of other contents of the file `name`: nobody will ever go on with it."""
        if self._found:
            for partial in self._found.pop(code_in_partial(partial_name(b"", name)), ()):
                if partial != partial_name(content, name):
                    self._folder.remove_unused(partial)
