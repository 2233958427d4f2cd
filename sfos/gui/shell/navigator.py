"""Going from page to page, and the way back. Pure: no Tk."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sfos.gui.page import Page


class Navigator:
    """Knows which page is shown, and which were before. Back leads through the page itself first, then out of it."""

    def __init__(self, on_shown: Callable[[Page | None], None]) -> None:
        self._on_shown = on_shown
        self.pages: tuple[Page, ...] = ()
        self.current: Page | None = None
        self._before: list[Page] = []
        self._after: list[Page] = []

    def begin(self, pages: Sequence[Page]) -> None:
        """Show the first of `pages`, to which one can go."""
        self.pages = tuple(pages)
        self._before, self._after = [], []
        self._show(self.pages[0])

    def end(self) -> None:
        """Show none."""
        self.pages = ()
        self._before, self._after = [], []
        self._show(None)

    def show(self, page: Page) -> None:
        """Show `page`, and remember which was there."""
        if page is self.current or page not in self.pages:
            return
        if self.current is not None:
            self._before.append(self.current)
        self._after.clear()
        self._show(page)

    @property
    def can_back(self) -> bool:
        """Whether `back` leads anywhere."""
        return self.current is not None and (self.current.can_back or bool(self._before))

    @property
    def can_forward(self) -> bool:
        """Whether `forward` leads anywhere."""
        return self.current is not None and (self.current.can_forward or bool(self._after))

    def back(self) -> None:
        """Go back within the page, or to the page before it."""
        if self.current is None:
            return
        if self.current.can_back:
            self.current.back()
        elif self._before:
            self._after.append(self.current)
            self._show(self._before.pop())

    def forward(self) -> None:
        """Undo `back`."""
        if self.current is None:
            return
        if self.current.can_forward:
            self.current.forward()
        elif self._after:
            self._before.append(self.current)
            self._show(self._after.pop())

    def _show(self, page: Page | None) -> None:
        if self.current is not None:
            self.current.hidden()
        self.current = page
        self._on_shown(page)
        if page is not None:
            page.shown()
