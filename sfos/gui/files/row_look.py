"""Look of a row in the list of files: icon, name as there is room for it, size, time and kind."""

from __future__ import annotations

from collections.abc import Container

from sfos.gui import wording
from sfos.gui.look import kinds
from sfos.gui.look.theme import Theme
from sfos.gui.nodes import NodeKey, key_of
from sfos.protocol import Entry

ICON_GAP = 8
INSET = 8 + 4 + 16 + ICON_GAP  # design pixels before a name


class RowLook:
    """Options of the items that show rows. `name_room`: pixels for a name. `cut`: nodes that wait to be pasted.
    `drop`: the folder into which a drop now would go."""

    def __init__(self, theme: Theme) -> None:
        self._theme = theme
        self._icons: dict[tuple[str, str], str] = {}
        self.name_room = 0
        self.cut: Container[NodeKey] = ()
        self.drop: NodeKey | None = None
        self.renew()

    def renew(self) -> None:
        """Take colours and letters as the theme has them now."""
        self._icons.clear()
        self._wide_char = self._theme.measure("W")

    def options_of(self, row: Entry, position: int) -> tuple[object, ...]:
        """Options of an item, as Tcl takes them."""
        key = key_of(row)
        kind, is_cut = kinds.kind_of(row), key in self.cut
        size = ("—" if row.kind == "folder" else wording.size(row.size)) + "\u2003"
        stripe = "odd" if position % 2 else "even"
        tags = ("drop",) if key == self.drop else (stripe, "cut") if is_cut else (stripe,)
        return (
            "-text", self.fitted(row.name), "-image", self._icon(kind, pale=is_cut),
            "-values", (size, wording.stamp(row.mtime_ns), kind.label), "-tags", tags,
        )  # fmt: skip

    def _icon(self, kind: kinds.FileKind, *, pale: bool) -> str:
        """Looked up once for each kind: thousands of rows have a few of them. Pale for what was cut."""
        theme, key = self._theme, (kind.icon, "disabled" if pale else kind.colour)
        if key not in self._icons:
            icon = theme.icon(kind.icon, getattr(theme.palette, key[1]), 16, pad_left=4, pad_right=ICON_GAP)
            self._icons[key] = str(icon)
        return self._icons[key]

    def fitted(self, name: str) -> str:
        """`name`, shortened if the column is too narrow; names that surely fit are not measured."""
        room = self.name_room
        if room <= 0 or len(name) * self._wide_char <= room:
            return name
        width = self._theme.measure(name)
        return name if width <= room else self._theme.elide(name, room)
