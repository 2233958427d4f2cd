"""Long work on widgets, cut into slices so that the window answers in between."""

from __future__ import annotations

import time
import tkinter as tk
from collections.abc import Iterator

SLICE_S = 0.008


class Slicer:
    """Runs one generator at a time on Tk's thread, `SLICE_S` of it between two looks at mouse and keyboard."""

    def __init__(self, widget: tk.Misc) -> None:
        self._widget = widget
        self._steps: Iterator[None] | None = None
        self._after: str | None = None

    @property
    def busy(self) -> bool:
        """Whether a generator is not through yet."""
        return self._steps is not None

    def run(self, steps: Iterator[None]) -> None:
        """Begin `steps` (which yields often) in place of what may still run; its first slice runs at once."""
        self.cancel()
        self._steps = steps
        self._slice()

    def cancel(self) -> None:
        """Stop where it is."""
        if self._after is not None:
            self._widget.after_cancel(self._after)
            self._after = None
        self._steps = None

    def _slice(self) -> None:
        self._after = None
        steps = self._steps
        if steps is None:
            return
        end = time.perf_counter() + SLICE_S
        for _ in steps:
            if self._steps is not steps:
                return  # a step began something else
            if time.perf_counter() >= end:
                self._after = self._widget.after(1, self._slice)
                return
        if self._steps is steps:
            self._steps = None
