"""Numbers and commands as people read them, alike in all programs that print."""

from __future__ import annotations

__all__ = [
    "counted",
    "in_words",
    "readable_size",
]

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB")


def counted(number: int, one: str, many: str = "") -> str:
    """`1 file`, `2,345 files`; `many`: where an “s” does not make it."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def readable_size(count: int) -> str:
    """`count` bytes for people, in powers of 1000 and at least two digits: 999 B, 1.2 kB, 45 MB."""
    if abs(count) < 1000:
        return f"{count} B"
    value = float(count)
    for unit in _UNITS:
        # 999.5 and 9.95: what rounding would lift to one digit more belongs to the next form.
        if abs(value) < 999.5 or unit == _UNITS[-1]:
            return f"{value:.1f} {unit}" if abs(value) < 9.95 else f"{value:.0f} {unit}"
        value /= 1000
    raise AssertionError("unreachable")


_DOING = {
    "commit": "storing",
    "copy": "copying",
    "delete": "deleting",
    "make_folder": "making a folder",
    "move": "moving",
    "set_attributes": "setting times and modes",
}


def in_words(command: str) -> str:
    """Words for a command that is being carried out, by its name: `deleting`."""
    return _DOING.get(command) or command.replace("_", " ")
