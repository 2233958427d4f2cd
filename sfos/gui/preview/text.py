"""Text, code, Markdown and tables as styled runs and rows. Runs in the worker, which imports only what it needs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sfos.gui.preview.blocks import MAX_COLUMNS, MAX_ROWS, MAX_RUNS, NothingBlock, Run, TableBlock, TextBlock
from sfos.protocol import counted

MAX_LINE = 4_000  # Tk's Text takes seconds to lay out one line of a megabyte
MAX_CELL = 500

_ENCODINGS = (("utf-8-sig", b"\xef\xbb\xbf"), ("utf-16", b"\xff\xfe"), ("utf-16", b"\xfe\xff"))


def to_text(data: bytes, *, complete: bool) -> str | None:
    """`data` as text, None if it is none: NUL bytes, or too much that is no text in any likely encoding."""
    for encoding, mark in _ENCODINGS:
        if data.startswith(mark):
            return data.decode(encoding, errors="replace")
    if b"\0" in data[:8192]:
        return None
    if not complete:
        # The cut may fall into the middle of a character: drop its first bytes, at most three.
        for drop in range(4):
            try:
                return data[: len(data) - drop].decode("utf-8")
            except UnicodeDecodeError:
                continue
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
        odd = sum(1 for character in text[:8192] if not character.isprintable() and character not in "\t\n\r\f")
        return None if odd * 20 > len(text[:8192]) else text


@dataclass(slots=True)
class _Shown:
    """Text as it is shown, and what was left out of it."""

    text: str
    complete: bool
    lines_cut: int = 0
    more_cut: str = ""

    @property
    def cut(self) -> bool:
        """Whether anything was left out."""
        return bool(self.note)

    @property
    def note(self) -> str:
        """Sentences about what was left out, "" for nothing."""
        said = []
        if not self.complete:
            said.append("Only the beginning of this file is shown.")
        if self.lines_cut:
            line = "line is" if self.lines_cut == 1 else "lines are"
            said.append(f"{self.lines_cut:,} very long {line} shortened.")
        if self.more_cut:
            said.append(self.more_cut)
        return " ".join([*said, "Download it to see all of it."]) if said else ""


def _tidy(text: str, *, complete: bool) -> _Shown:
    """`text` with line ends as `\\n`, and very long lines cut."""
    shown = _Shown(text.replace("\r\n", "\n").replace("\r", "\n"), complete)
    if len(shown.text) > MAX_LINE:
        lines = shown.text.split("\n")
        shown.lines_cut = sum(len(line) > MAX_LINE for line in lines)
        if shown.lines_cut:
            shown.text = "\n".join(line if len(line) <= MAX_LINE else line[:MAX_LINE] + " …" for line in lines)
    return shown


def plain(data: bytes, *, complete: bool) -> TextBlock | NothingBlock:
    """The text as it stands."""
    text = to_text(data, complete=complete)
    if text is None:
        return NothingBlock("This file is not text, and there is no preview for its kind.")
    shown = _tidy(text, complete=complete)
    return TextBlock((Run(shown.text),), mono=True, cut=shown.cut, note=shown.note)


# --- code ---------------------------------------------------------------------------------------------------------

_STYLES = (
    ("Comment", "comment"),
    ("Keyword.Type", "type"),
    ("Keyword", "keyword"),
    ("Name.Function", "name"),
    ("Name.Class", "type"),
    ("Name.Builtin", "type"),
    ("Name.Decorator", "attribute"),
    ("Name.Tag", "tag"),
    ("Name.Attribute", "attribute"),
    ("Name.Exception", "type"),
    ("Name.Namespace", "name"),
    ("Literal.String", "string"),
    ("Literal.Number", "number"),
    ("Operator.Word", "keyword"),
    ("Operator", "operator"),
    ("Generic.Inserted", "added"),
    ("Generic.Deleted", "removed"),
    ("Generic.Heading", "bold"),
    ("Generic.Subheading", "name"),
)


def code(data: bytes, name: str, *, complete: bool) -> TextBlock | NothingBlock:
    """Source code, its parts in styles that the palette colours."""
    text = to_text(data, complete=complete)
    if text is None:
        return NothingBlock("This file is not text, and there is no preview for its kind.")
    shown = _tidy(text, complete=complete)
    runs = tuple(_lexed(shown.text, name))
    if len(runs) > MAX_RUNS:
        runs = (Run(shown.text),)
    return TextBlock(runs, mono=True, cut=shown.cut, note=shown.note, wrap=False)


def _lexed(text: str, name: str, language: str | None = None) -> Iterator[Run]:
    from pygments.lexers import get_lexer_by_name, get_lexer_for_filename
    from pygments.util import ClassNotFound

    options = {"stripnl": False, "ensurenl": False}
    try:
        lexer: Any = (
            get_lexer_by_name(language, **options) if language else get_lexer_for_filename(name, text[:4096], **options)
        )
    except ClassNotFound:
        yield Run(text)
        return
    known: dict[object, tuple[str, ...]] = {}
    held = ""
    style: tuple[str, ...] = ()
    for token, value in lexer.get_tokens(text):
        if token not in known:
            path = str(token).removeprefix("Token.")
            known[token] = next(((to,) for prefix, to in _STYLES if path.startswith(prefix)), ())
        # Neighbours of one style become one run: the Text widget pays for each.
        if known[token] == style:
            held += value
        else:
            if held:
                yield Run(held, style)
            held, style = value, known[token]
    if held:
        yield Run(held, style)


# --- Markdown -----------------------------------------------------------------------------------------------------


def markdown(data: bytes, *, complete: bool) -> TextBlock | NothingBlock:
    """Markdown as it is meant to be read. Links are shown, never followed; pictures are named, never fetched."""
    text = to_text(data, complete=complete)
    if text is None:
        return NothingBlock("This file is not text, and there is no preview for its kind.")
    import mistune

    parse = mistune.create_markdown(renderer=None, plugins=["strikethrough", "table", "task_lists"])
    shown = _tidy(text, complete=complete)
    tokens = parse(shown.text)
    assert isinstance(tokens, list)
    runs = tuple(_blocks(tokens, ()))
    if len(runs) > MAX_RUNS:
        runs, shown.more_cut = runs[:MAX_RUNS], "It is too long to be shown whole."
    return TextBlock(runs, mono=False, cut=shown.cut, note=shown.note)


def _blocks(tokens: Iterable[dict[str, Any]], around: tuple[str, ...], depth: int = 0) -> Iterator[Run]:
    for token in tokens:
        kind = token["type"]
        inner: list[dict[str, Any]] = token.get("children") or []
        if kind == "heading":
            style = f"h{min(3, token['attrs']['level'])}"
            yield from _inline(inner, (*around, style))
            yield Run("\n", (style,))
        elif kind in ("paragraph", "block_text"):
            yield from _inline(inner, (*around, "para") if kind == "paragraph" else around)
            yield Run("\n", (*around, "para"))
        elif kind == "block_code":
            language = (token.get("attrs") or {}).get("info", "").split(" ")[0] or None
            for run in _lexed(token["raw"].rstrip("\n") + "\n", "", language or "text"):
                yield Run(run.text, (*around, "codeblock", *run.styles))
            yield Run("\n", ("para",))
        elif kind == "list":
            yield from _list(token, around, depth + 1)
        elif kind == "block_quote":
            yield from _blocks(inner, (*around, "quote"), depth)
        elif kind == "thematic_break":
            yield Run("―" * 24 + "\n", ("rule",))
        elif kind == "table":
            yield from _table(inner)
        elif kind == "block_html":
            yield Run(token.get("raw", ""), (*around, "marker"))


def _list(token: dict[str, Any], around: tuple[str, ...], depth: int) -> Iterator[Run]:
    level = f"list{min(6, depth)}"
    number = token.get("attrs", {}).get("start", 1)
    for item in token.get("children") or []:
        if item["type"] == "task_list_item":
            mark = "☑ " if item["attrs"]["checked"] else "☐ "
        elif token["attrs"]["ordered"]:
            mark, number = f"{number}. ", number + 1
        else:
            mark = "•  "
        yield Run(mark, (*around, level))
        first = True
        for child in item.get("children") or []:
            if child["type"] == "list":
                yield from _list(child, around, depth + 1)
            elif child["type"] in ("block_text", "paragraph"):
                yield from _inline(child.get("children") or [], (*around, level))
                yield Run("\n", (*around, level))
            else:
                yield from _blocks([child], (*around, level), depth)
            first = False
        if first:
            yield Run("\n", (*around, level))
    if depth == 1:
        yield Run("\n", ("marker",))


def _inline(tokens: Iterable[dict[str, Any]], around: tuple[str, ...]) -> Iterator[Run]:
    for token in tokens:
        kind = token["type"]
        inner: list[dict[str, Any]] = token.get("children") or []
        if kind in ("text", "inline_html"):
            yield Run(token["raw"], around)
        elif kind == "codespan":
            yield Run(token["raw"], (*around, "code"))
        elif kind == "strong":
            yield from _inline(inner, (*around, "bold"))
        elif kind == "emphasis":
            yield from _inline(inner, (*around, "italic"))
        elif kind == "strikethrough":
            yield from _inline(inner, (*around, "strike"))
        elif kind == "link":
            yield from _inline(inner, (*around, "link"))
        elif kind == "image":
            yield Run("[", (*around, "marker"))
            yield from _inline(inner, (*around, "marker"))
            yield Run("]", (*around, "marker"))
        elif kind in ("linebreak", "softbreak"):
            yield Run("\n" if kind == "linebreak" else " ", around)


def _table(parts: list[dict[str, Any]]) -> Iterator[Run]:
    rows: list[list[str]] = []
    for part in parts:
        if part["type"] == "table_head":
            rows.append([_flat(cell) for cell in part["children"]])
        else:
            rows += [[_flat(cell) for cell in row["children"]] for row in part["children"]]
    widths = [max(len(row[column]) for row in rows if column < len(row)) for column in range(len(rows[0]))]
    for index, row in enumerate(rows):
        line = "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=False))
        yield Run(line.rstrip() + "\n", ("codeblock", "bold") if index == 0 else ("codeblock",))
    yield Run("\n", ("para",))


def _flat(token: dict[str, Any]) -> str:
    if "raw" in token:
        return str(token["raw"]).replace("\n", " ")
    return "".join(_flat(child) for child in token.get("children") or [])


# --- tables -------------------------------------------------------------------------------------------------------


def table(data: bytes, name: str, *, complete: bool) -> TableBlock | TextBlock | NothingBlock:
    """The first 1,000 rows of comma-, semicolon- or tab-separated values."""
    text = to_text(data, complete=complete)
    if text is None:
        return NothingBlock("This file is not text, and there is no preview for its kind.")
    first_line = text.split("\n", 1)[0]
    separators = "\t" if name.lower().endswith(".tsv") else max(",;\t|", key=first_line.count)
    try:
        rows: list[tuple[str, ...]] = []
        cut, columns_there, cells_cut = not complete, 0, 0
        for row in csv.reader(io.StringIO(text), delimiter=separators):
            if len(rows) > MAX_ROWS:
                cut = True
                break
            columns_there = max(columns_there, len(row))
            cells_cut += sum(len(cell) > MAX_CELL for cell in row[:MAX_COLUMNS])
            rows.append(tuple(cell[:MAX_CELL].replace("\n", " ") for cell in row[:MAX_COLUMNS]))
    except csv.Error:
        return plain(data, complete=complete)
    if not complete and len(rows) > 1 and len(rows) <= MAX_ROWS:
        rows.pop()  # the row in which the cut falls
    if not rows:
        return NothingBlock("This table is empty.")
    columns = max(map(len, rows))
    padded = [row + ("",) * (columns - len(row)) for row in rows]
    header = tuple(title or f"Column {index + 1}" for index, title in enumerate(padded[0]))
    shown = tuple(padded[1 : MAX_ROWS + 1])
    said = []
    if cut:
        said.append(f"the first {counted(len(shown), 'row')}")
    if columns_there > columns:
        said.append(f"{columns:,} of {columns_there:,} columns")
    if cells_cut:
        said.append("long cells shortened")
    note = f"This is a part: {', '.join(said)}. Download it to see all of it." if said else ""
    return TableBlock(header, shown, cut=bool(said), note=note)
