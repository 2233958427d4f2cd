"""Attributes as replies bear them: a newer server's are read by an older client, and lost by nobody."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = [
    "AttributesRead",
]

MAX_MODE = 0o7777  # the permission bits of POSIX
MAX_SHORT_CHARS = 4096


class AttributesRead:
    """`Attributes` as a reply bears them: those that came after this program are kept, and go back as they came.

    In JSON an object; this is its decoded form (`read_attributes`), not a Struct, for a Struct drops what it has no
    field for. `unknown`: those attributes, by name.
    """

    __slots__ = ("link", "mode", "unknown")

    def __init__(
        self, *, mode: int | None = None, link: str | None = None, unknown: Mapping[str, object] = MappingProxyType({})
    ) -> None:
        """Raises: ValueError for a mode or link that no file has."""
        if mode is not None and not (type(mode) is int and 0 <= mode <= MAX_MODE):
            raise ValueError("a mode that no file has")
        if link is not None and (type(link) is not str or len(link) > MAX_SHORT_CHARS):
            raise ValueError("a link that points to no path")
        self.mode, self.link, self.unknown = mode, link, unknown

    def fields(self) -> dict[str, object]:
        """The JSON object: those that are there, by name."""
        known = {"mode": self.mode, "link": self.link}
        return {**{name: value for name, value in known.items() if value is not None}, **self.unknown}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AttributesRead) and self.fields() == other.fields()

    def __hash__(self) -> int:
        return hash((self.mode, self.link))

    def __repr__(self) -> str:
        return f"AttributesRead({self.fields()})"


def read_attributes(fields: object) -> AttributesRead:
    """The decoded form of a JSON object. Raises: TypeError, ValueError."""
    if not isinstance(fields, dict):
        raise TypeError("attributes are an object")
    unknown = dict(fields)
    return AttributesRead(mode=unknown.pop("mode", None), link=unknown.pop("link", None), unknown=unknown)
