"""Output of the commands as text: sizes, times, tables, JSON lines. Pure; names pass through `printable` here.

A listing in a terminal is for people (columns, a “/” after folders); in a pipe it is one name a line, for programs.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Container, Iterable, Sequence
from datetime import UTC, datetime, tzinfo

from sfos.cli.front.options import SortBy
from sfos.protocol import Change, Entry, SfosError, UsageReply, counted, fold_name, printable, readable_size

_UNKNOWN = "—"
_GAP = "  "


# ── numbers ─────────────────────────────────────────────────────────────────────────────────────────────────────


size = readable_size


def exact(count: int) -> str:
    """`count` with commas between thousands."""
    return f"{count:,}"


def duration(seconds: float) -> str:
    """0.8 s, 12 s, 3 min 05 s, 30 min, 2 h 07 min, 12 h."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min" + (f" {whole % 60:02d} s" if whole % 60 else "")
    minutes = whole % 3600 // 60
    return f"{whole // 3600} h" + (f" {minutes:02d} min" if minutes else "")


def iso(unix_ms: int) -> str | None:
    """Milliseconds since 1970 as ISO 8601 in UTC; None for none, or for what no calendar holds."""
    return _iso(unix_ms * 1_000_000)


def moment(time_ns: int, zone: tzinfo | None = None, *, seconds: bool = False) -> str:
    """Nanoseconds since 1970 as a local date and time; a dash for none or for what no calendar holds."""
    when = _moment(time_ns, zone)
    if when is None:
        return _UNKNOWN
    # Not strftime, which takes five times as long: a listing has a hundred thousand of them.
    return when.replace(tzinfo=None).isoformat(" ", "seconds" if seconds else "minutes")


def _iso(time_ns: int) -> str | None:
    when = _moment(time_ns, UTC)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ") if when else None


def _moment(time_ns: int, zone: tzinfo | None) -> datetime | None:
    """In `zone`; None: local time, without saying so."""
    if time_ns == 0:
        return None
    try:
        return datetime.fromtimestamp(time_ns // 1_000_000_000, zone)
    except (ValueError, OverflowError, OSError):  # a server can say any number
        return None


# ── cells and columns ───────────────────────────────────────────────────────────────────────────────────────────


def cell_width(text: str) -> int:
    """Columns of a terminal that `text` takes: two for wide characters, none for combining ones."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def columns(names: Sequence[str], width: int) -> list[str]:
    """`names` in as many columns as fit into `width`, down first and then across, as `ls` does."""
    if not names:
        return []
    widths = [cell_width(name) for name in names]
    most = max(1, (width + len(_GAP)) // (min(widths) + len(_GAP)))
    for count in range(most, 1, -1):
        rows = -(-len(names) // count)
        column_widths = [max(widths[start : start + rows]) for start in range(0, len(names), rows)]
        if sum(column_widths) + len(_GAP) * (len(column_widths) - 1) <= width:
            return [_row(names, widths, column_widths, row, rows) for row in range(rows)]
    return list(names)


def _row(names: Sequence[str], widths: Sequence[int], column_widths: Sequence[int], row: int, rows: int) -> str:
    cells = [
        names[index] + " " * (column_widths[column] - widths[index])
        for column, index in enumerate(range(row, len(names), rows))
    ]
    return _GAP.join(cells).rstrip()


def table(rows: Sequence[Sequence[str]], right: frozenset[int] = frozenset()) -> list[str]:
    """`rows` of equally many cells, aligned; the columns in `right` to the right. No blanks at the ends of lines."""
    aligned = [_aligned(cells, at in right) for at, cells in enumerate(zip(*rows, strict=True))]
    return [_GAP.join(cells).rstrip() for cells in zip(*aligned, strict=True)]


def _aligned(cells: Sequence[str], to_the_right: bool) -> list[str]:
    """The cells of one column, equally wide."""
    if "".join(cells).isascii():
        width = max(map(len, cells))
        return [cell.rjust(width) if to_the_right else cell.ljust(width) for cell in cells]
    widths = list(map(cell_width, cells))
    widest = max(widths)
    blanks = [" " * (widest - width) for width in widths]
    return [blank + cell if to_the_right else cell + blank for cell, blank in zip(cells, blanks, strict=True)]


# ── entries ─────────────────────────────────────────────────────────────────────────────────────────────────────


def arrange(
    entries: Iterable[Entry], by: SortBy = SortBy.NAME, *, folders_first: bool = False, reverse: bool = False
) -> list[Entry]:
    """`entries` by name without regard to case, or the largest or newest first."""
    ordered = sorted(entries, key=lambda entry: (fold_name(entry.name), entry.name))
    if by is SortBy.SIZE:
        ordered.sort(key=lambda entry: -entry.size)
    elif by is SortBy.TIME:
        ordered.sort(key=lambda entry: -entry.mtime_ns)
    if reverse:
        ordered.reverse()
    if folders_first:
        ordered.sort(key=lambda entry: entry.kind != "folder")
    return ordered


def arrange_names(
    names: Iterable[str], folders: Container[str], *, folders_first: bool = False, reverse: bool = False
) -> list[str]:
    """The names as `arrange` orders entries. `folders`: those of them that are folders."""
    # Twice, each time by strings that are there already: a fifth of the time that pairs take.
    ordered = sorted(names)
    ordered.sort(key=folded)
    if reverse:
        ordered.reverse()
    if folders_first:
        ordered.sort(key=lambda name: name not in folders)
    return ordered


def folded(name: str) -> str:
    """`name` without regard to case, to sort by."""
    low = name.lower() if name.isascii() else fold_name(name).decode()
    return name if low == name else low  # of a million names most are their own


def display_name(entry: Entry, name: str | None = None) -> str:
    """The name (or `name` in its place), escaped, with a “/” after a folder."""
    return marked_name(entry.name if name is None else name, is_folder=entry.kind == "folder")


def marked_name(name: str, *, is_folder: bool) -> str:
    """A name alone, escaped, with a “/” behind a folder's."""
    shown = printable(name)
    return shown + "/" if is_folder and not shown.endswith("/") else shown


def long_rows(entries: Iterable[tuple[Entry, str]], *, in_bytes: bool = False, zone: tzinfo | None = None) -> list[str]:
    """`ls -l`: kind, size, time, name (the second of each pair); a link with where it points."""
    rows = []
    for entry, name in entries:
        link = entry.attrs.link if entry.attrs else None
        rows.append(long_row(entry.kind, entry.size, entry.mtime_ns, name, link, in_bytes=in_bytes, zone=zone))
    size_cells, time_cells = (max((len(row[at]) for row in rows), default=0) for at in (1, 2))
    return aligned_long(rows, size_cells, time_cells)


def long_row(
    kind: str,
    size_bytes: int,
    mtime_ns: int,
    name: str,
    link: str | None,
    *,
    in_bytes: bool = False,
    zone: tzinfo | None = None,
) -> tuple[str, str, str, str]:
    """The cells of a line of `ls -l`."""
    return (
        {"file": "-", "folder": "d", "symlink": "l"}.get(kind, "?"),
        long_size(kind, size_bytes, in_bytes=in_bytes),
        moment(mtime_ns, zone),
        marked_name(name, is_folder=kind == "folder")
        + (f" -> {printable(link)}" if kind == "symlink" and link is not None else ""),
    )


def long_size(kind: str, size_bytes: int, *, in_bytes: bool) -> str:
    """The size in a line of `ls -l`."""
    return _UNKNOWN if kind == "folder" else exact(size_bytes) if in_bytes else size(size_bytes)


def aligned_long(rows: Iterable[tuple[str, str, str, str]], size_cells: int, time_cells: int) -> list[str]:
    """Lines of what `long_row` gives, with columns so wide."""
    return [
        f"{kind}{_GAP}{amount:>{size_cells}}{_GAP}{when:<{time_cells}}{_GAP}{name}".rstrip()
        for kind, amount, when, name in rows
    ]


def stat_lines(entry: Entry, path: str, zone: tzinfo | None = None) -> list[str]:
    """`stat`: a line for each thing that is known."""
    rows = [("path", printable(path)), ("kind", entry.kind)]
    if entry.kind == "file":
        rows.append(("size", f"{exact(entry.size)} bytes" + (f" ({size(entry.size)})" if entry.size >= 1000 else "")))
    rows.append(("modified", moment(entry.mtime_ns, zone, seconds=True)))
    if entry.attrs is not None and entry.attrs.mode is not None:
        rows.append(("mode", f"{entry.attrs.mode:04o}"))
    if entry.attrs is not None and entry.attrs.link is not None:
        rows.append(("points to", printable(entry.attrs.link)))
    rows.append(("node", str(entry.node)))
    rows.append(("revision", printable(entry.revision)))
    if entry.content is not None:
        rows.append(("content", entry.content.hex()))
    return table(rows)


def usage_lines(usage: UsageReply, *, in_bytes: bool = False) -> list[str]:
    """`usage`."""

    def shown(count: int) -> str:
        return f"{exact(count)} bytes" if in_bytes else size(count)

    rows = [
        ("files now", f"{shown(usage.bytes_current)} in {counted(usage.files_current, 'file')}"),
        ("stored", f"{shown(usage.bytes_stored)}, history included"),
    ]
    if usage.bytes_history:
        freed = "" if usage.history_kept_s is None else f"; freed after {usage.history_kept_s / 86_400:.3g} days"
        held = "earlier versions, deleted files, unfinished uploads"
        rows.append(("history", f"{shown(usage.bytes_history)} or more: {held}{freed}"))
    if usage.quota_bytes is not None:
        left = max(0, usage.quota_bytes - usage.bytes_stored)
        rows.append(("quota", f"{shown(usage.quota_bytes)}, of which {shown(left)} are left"))
    if usage.quota_files is not None:
        left = max(0, usage.quota_files - usage.entries_current)
        rows.append(("", f"{exact(usage.quota_files)} files and folders, of which {exact(left)} are left"))
    return table(rows)


def change_line(change: Change, path: str | None, now: datetime) -> str:
    """`watch`: one change for people. `path` None: of a folder that is gone."""
    shown = display_name(change.entry, path)
    what = "deleted" if change.deleted else "changed"
    amount = f"  ({size(change.entry.size)})" if change.entry.kind == "file" and not change.deleted else ""
    return f"{now:%H:%M:%S}  {what}  {shown}{amount}"


# ── JSON ────────────────────────────────────────────────────────────────────────────────────────────────────────


def json_line(value: dict[str, object]) -> str:
    """One line of JSON in ASCII: it survives every terminal, pipe and code page."""
    import json  # only now: most commands write none, and it is a hundredth of what a short one costs

    return json.dumps(value, ensure_ascii=True, separators=(",", ":"))


def entry_json(entry: Entry, path: str | None) -> dict[str, object]:
    """An entry for programs. Times are ISO 8601 in UTC, and exact in nanoseconds; hashes are hexadecimal."""
    value: dict[str, object] = {
        "path": path,
        "name": entry.name,
        "kind": entry.kind,
        "size": entry.size,
        "mtime": _iso(entry.mtime_ns),
        "mtime_ns": entry.mtime_ns,
        "node": entry.node,
        "revision": entry.revision,
        "content": entry.content.hex() if entry.content is not None else None,
    }
    if entry.attrs is not None and entry.attrs.mode is not None:
        value["mode"] = f"{entry.attrs.mode:04o}"
    if entry.attrs is not None and entry.attrs.link is not None:
        value["link"] = entry.attrs.link
    return value


def usage_json(usage: UsageReply) -> dict[str, object]:
    """The usage for programs."""
    return {
        "bytes_current": usage.bytes_current,
        "files_current": usage.files_current,
        "bytes_stored": usage.bytes_stored,
        "quota_bytes": usage.quota_bytes,
        "entries_current": usage.entries_current,
        "quota_files": usage.quota_files,
        "bytes_rows": usage.bytes_rows,
        "bytes_history": usage.bytes_history,
        "history_kept_s": usage.history_kept_s,
    }


# ── errors ──────────────────────────────────────────────────────────────────────────────────────────────────────


def error_line(program: str, error: BaseException) -> str:
    """`sfos: subject: sentence`, on one line, whatever the error holds."""
    if isinstance(error, SfosError):
        parts = [program, error.subject, error.message]
        if error.retry_after_s:
            parts[-1] = f"{error.message.removesuffix('.')} ({duration(error.retry_after_s)})."
    elif isinstance(error, OSError):
        parts = [program, str(error.filename) if error.filename is not None else None, error.strerror or str(error)]
    else:
        parts = [program, str(error) or type(error).__name__]
    return ": ".join(printable(part) for part in parts if part)
