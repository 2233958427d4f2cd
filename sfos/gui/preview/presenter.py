"""A preview of one file: fetched and decoded in a thread, dropped when another is wanted."""

from __future__ import annotations

import datetime as dt
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath

from sfos.client.api import Api
from sfos.gui import wording
from sfos.gui.look import kinds
from sfos.gui.look.kinds import Preview
from sfos.gui.model import Selection
from sfos.gui.nodes import NodeKey, key_of
from sfos.gui.preview import host
from sfos.gui.preview.blocks import AnyBlock, Job, NothingBlock, PictureBlock
from sfos.gui.rows import folders_among
from sfos.gui.threads.bridge import CancelToken, Epoch, TaskBridge, Timer
from sfos.protocol import Entry, printable

SETTLE_S = 0.12  # walking down the list with a held key fetches nothing
WORKING_S = 0.25  # a preview that takes longer says that it is on its way
TEXT_BYTES = 512 * 1024
AUDIO_BYTES = 4 * 1024 * 1024
_CACHED = 12

_JOBS = {
    Preview.TEXT: "text",
    Preview.CODE: "code",
    Preview.MARKDOWN: "markdown",
    Preview.TABLE: "table",
    Preview.PICTURE: "picture",
    Preview.DRAWING: "drawing",
    Preview.PDF: "pdf",
    Preview.ARCHIVE: "archive",
    Preview.AUDIO: "audio",
}
_BEGINNING = {
    Preview.TEXT: TEXT_BYTES,
    Preview.CODE: TEXT_BYTES,
    Preview.MARKDOWN: TEXT_BYTES,
    Preview.TABLE: TEXT_BYTES,
    Preview.AUDIO: AUDIO_BYTES,
}


@dataclass(frozen=True, slots=True)
class Shown:
    """State of the preview. `block` None: `message` instead, and `working` while it is fetched."""

    entry: Entry | None
    icon: str = ""
    colour: str = "muted"
    block: AnyBlock | None = None
    message: str = ""
    working: bool = False


class PreviewPresenter:
    """Tells `on_shown` what to show. `max_bytes`: larger files are not fetched whole."""

    def __init__(self, bridge: TaskBridge, api: Api, max_bytes: int, on_shown: Callable[[Shown], None]) -> None:
        self._bridge, self._api, self._max_bytes, self._on_shown = bridge, api, max_bytes, on_shown
        self._epoch = Epoch()
        self._token = CancelToken()
        self._timers: list[Timer] = []
        self._cache: OrderedDict[tuple[NodeKey, str, int], AnyBlock] = OrderedDict()
        self._bytes: tuple[tuple[NodeKey, str], bytes] | None = None
        self.shown = Shown(None)

    def show(self, entry: Entry | None, *, at_once: bool = False) -> None:
        """Show `entry` in place of what was shown; None: nothing."""
        if entry is not None and self.shown.entry == entry and (self.shown.block or self.shown.working):
            return
        self._begin(entry, 0, 0.0 if at_once else SETTLE_S)

    def turn_to(self, page: int) -> None:
        """Show another page of the document that is shown."""
        if self.shown.entry is not None:
            self._begin(self.shown.entry, page, 0.0)

    def _begin(self, entry: Entry | None, page: int, settle_s: float) -> None:
        self._token.cancel()
        for timer in self._timers:
            timer.cancel()
        self._timers = []
        number = self._epoch.advance()
        if entry is None or entry.kind != "file":
            self._tell(_without_content(entry))
            return
        kind = kinds.kind_of(entry)
        known = self._cache.get((key_of(entry), entry.revision, page))
        if known is not None:
            self._tell(Shown(entry, kind.icon, kind.colour, known))
            return
        refusal = self._refusal(entry, kind.preview)
        if refusal is not None:
            self._tell(Shown(entry, kind.icon, kind.colour, NothingBlock(refusal)))
            return
        working = Shown(entry, kind.icon, kind.colour, working=True)
        if page == 0:  # while a page is turned, the one before stays
            self._tell(Shown(entry, kind.icon, kind.colour))
            self._timers.append(self._bridge.call_later(settle_s + WORKING_S, lambda: self._tell(working)))
        self._timers.append(self._bridge.call_later(settle_s, lambda: self._fetch(entry, kind.preview, page, number)))

    def _refusal(self, entry: Entry, preview: Preview) -> str | None:
        if preview is Preview.NONE:
            return "There is no preview for this kind of file."
        if entry.size == 0:
            return "This file is empty."
        if preview not in _BEGINNING and entry.size > self._max_bytes:
            return f"Larger than {wording.size(self._max_bytes)}: download it to see it."
        return None

    def _fetch(self, entry: Entry, preview: Preview, page: int, number: int) -> None:
        key = (key_of(entry), entry.revision)
        kept = self._bytes[1] if self._bytes is not None and self._bytes[0] == key else None

        def work(token: CancelToken) -> tuple[AnyBlock, bytes]:
            most = _BEGINNING.get(preview, self._max_bytes)
            data = kept if kept is not None else self._api.read_range(entry, 0, min(entry.size, most))
            token.check()
            job = Job(_JOBS[preview], entry.name, entry.size, len(data) >= entry.size, page)  # type: ignore[arg-type]
            return host.decode(job, data, lambda: token.cancelled), data

        self._token = self._bridge.run_in_thread(
            work,
            lambda found: self._decoded(entry, page, found, number),
            lambda error: self._failed(entry, error, number),
            name="gui-preview",
        )

    def _decoded(self, entry: Entry, page: int, found: tuple[AnyBlock, bytes], number: int) -> None:
        if not self._epoch.is_current(number):
            return
        block, data = found
        self._cache[(key_of(entry), entry.revision, page)] = block
        while len(self._cache) > _CACHED:
            self._cache.popitem(last=False)
        # Of a document the bytes are kept, so that turning a page fetches nothing.
        paged = isinstance(block, PictureBlock) and block.pages > 1
        self._bytes = ((key_of(entry), entry.revision), data) if paged else None
        kind = kinds.kind_of(entry)
        self._stop_and_tell(Shown(entry, kind.icon, kind.colour, block))

    def _failed(self, entry: Entry, error: Exception, number: int) -> None:
        if self._epoch.is_current(number):
            kind = kinds.kind_of(entry)
            text = f"No preview: {wording.explain(error)}"
            self._stop_and_tell(Shown(entry, kind.icon, kind.colour, message=text))

    def _stop_and_tell(self, shown: Shown) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers = []
        self._tell(shown)

    def _tell(self, shown: Shown) -> None:
        self.shown = shown
        self._on_shown(shown)


def _without_content(entry: Entry | None) -> Shown:
    if entry is None:
        return Shown(None)
    kind = kinds.kind_of(entry)
    return Shown(entry, kind.icon, kind.colour)


@dataclass(frozen=True, slots=True)
class Details:
    """Text below the preview."""

    title: str
    subtitle: str
    facts: tuple[tuple[str, str], ...] = ()


def details_of(selection: Selection, folder: str, total: int, now: dt.datetime) -> Details:
    """Details of the selection; without one, of the folder shown."""
    entries = selection.entries
    if not entries:
        name = PurePosixPath(folder).name or "My files"
        return Details(printable(name), f"Folder · {wording.count(total, 'item')}", (("Location", printable(folder)),))
    if len(entries) > 1:
        folders = folders_among(entries)
        files = len(entries) - folders
        parts = [wording.count(folders, "folder")] if folders else []
        parts += [wording.count(files, "file")] if files else []
        facts = (("Size", wording.exact_size(selection.size_bytes)),) if files else ()
        return Details(f"{wording.count(len(entries), 'item')} selected", " · ".join(parts), facts)
    entry = entries[0]
    kind = kinds.kind_of(entry)
    subtitle = kind.label if entry.kind == "folder" else f"{kind.label} · {wording.size(entry.size)}"
    facts_list = [("Modified", wording.moment(entry.mtime_ns, now)), ("Location", printable(folder))]
    if entry.kind == "file":
        facts_list.append(("Size", wording.exact_size(entry.size)))
    if entry.attrs is not None and entry.attrs.mode is not None:
        facts_list.append(("Mode", f"{entry.attrs.mode:04o}"))
    if entry.attrs is not None and entry.attrs.link is not None:
        facts_list.append(("Points to", printable(entry.attrs.link)))
    return Details(printable(entry.name), subtitle, tuple(facts_list))


def with_picture_size(details: Details, block: AnyBlock | None) -> Details:
    """`details`, and for a picture its size in pixels."""
    if isinstance(block, PictureBlock) and block.true_width and not block.pages:
        size = f"{block.true_width:,} × {block.true_height:,}".replace(",", "")
        return Details(details.title, f"{details.subtitle} · {size}", details.facts)
    if isinstance(block, PictureBlock) and block.pages:
        return Details(details.title, f"{details.subtitle} · {wording.count(block.pages, 'page')}", details.facts)
    return details
