"""Transfers that an earlier window left unfinished: offered after signing in, taken up again, or forgotten."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sfos.client.api import Api
from sfos.client.transfer.queue_file import Kept, KeptUpload, path_of
from sfos.gui import wording
from sfos.gui.model import Notice
from sfos.gui.nodes import HOME, NodeKey
from sfos.gui.threads.bridge import CancelToken, TaskBridge
from sfos.gui.transfers.work import Asked, Download, Upload
from sfos.protocol import Entry, NotFound, Ref


@dataclass(frozen=True, slots=True)
class _Found:
    """Transfers that can go on, and how much of them is no longer on the server."""

    asked: tuple[Asked, ...]
    gone: int


class InterruptedPresenter:
    """`on_offer` is told the sentence of the offer, or None when there is nothing to offer any more."""

    def __init__(
        self,
        bridge: TaskBridge,
        api: Api,
        *,
        start: Callable[[Asked], None],
        on_offer: Callable[[Notice | None], None],
        on_notice: Callable[[Notice], None],
        on_queue: Callable[[], None],
    ) -> None:
        self._bridge, self._api, self._start = bridge, api, start
        self._on_offer, self._on_notice, self._on_queue = on_offer, on_notice, on_queue
        self.kept: tuple[Kept, ...] = ()
        """Transfers on offer: not yet begun again, and not to be forgotten either."""

    def offer(self, kept: tuple[Kept, ...]) -> None:
        """Offer these to go on."""
        self.kept = kept
        self._show()

    def _show(self) -> None:
        if not self.kept:
            self._on_offer(None)
            return
        were = "was" if len(self.kept) == 1 else "were"
        what = wording.count(len(self.kept), "transfer")
        text = f"{what} {were} not finished when you were here last."
        self._on_offer(Notice(text, "info", "Go on", "Forget them" if len(self.kept) > 1 else "Forget it"))

    def forget(self) -> None:
        """Forget them: they are not wanted any more."""
        self.kept = ()
        self._show()
        self._on_queue()

    def go_on(self) -> None:
        """Begin them again, in their order; what is complete is not transferred twice."""
        kept = self.kept
        self._on_offer(None)
        self._bridge.run_in_thread(lambda token: self._find(kept, token), self._begin, self._failed, name="gui-go-on")

    def _find(self, kept: tuple[Kept, ...], token: CancelToken) -> _Found:
        """Find in a thread what is to be fetched, as it is now."""
        asked: list[Asked] = []
        gone = 0
        for each in kept:
            if isinstance(each, KeptUpload):
                paths = tuple(map(path_of, each.paths))
                asked.append(Upload(paths, NodeKey(HOME, each.node), each.path, each.hidden))
                continue
            entries: list[Entry] = []
            for node in each.nodes:
                token.check()
                try:
                    entries.append(self._api.stat(Ref(node=node)))
                except NotFound:
                    gone += 1
            if entries:
                asked.append(Download(tuple(entries), path_of(each.folder)))
        return _Found(tuple(asked), gone)

    def _begin(self, found: _Found) -> None:
        self.kept = ()
        for asked in found.asked:
            self._start(asked)
        if found.gone:
            what = wording.count(found.gone, "item")
            self._on_notice(Notice(f"{what} of the unfinished downloads can no longer be found.", "warning"))
        self._on_queue()

    def _failed(self, error: Exception) -> None:
        self._on_notice(Notice(f"The transfers do not go on yet: {wording.explain(error)}", "error"))
        self._show()
