"""Actions behind the window's own commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sfos.gui.look.theme import Theme
from sfos.gui.shell.help import show_help
from sfos.gui.shell.main_window import MainWindow


class WindowActions:
    """Carries them out. `remember`: takes what is to be the same next time."""

    def __init__(
        self,
        window: MainWindow,
        theme: Theme,
        version: str,
        *,
        remember: Callable[..., Any],
        fingerprint: Callable[[], str],
        sign_out: Callable[[], None],
        close: Callable[[], None],
    ) -> None:
        self.window = window
        self._theme, self._version = theme, version
        self._remember, self._fingerprint = remember, fingerprint
        self.sign_out, self.quit = sign_out, close

    def toggle_aside(self) -> None:
        """Show the right pane, or hide it."""
        self.window.show_aside(not self.window.aside_shown)
        self._remember(details=self.window.aside_shown)

    def toggle_side(self) -> None:
        """Show the left pane, or hide it."""
        self.window.show_side(not self.window.side_shown)

    def switch_mode(self) -> None:
        """Go from light to dark colours, or back."""
        self._theme.set_mode("light" if self._theme.mode == "dark" else "dark")
        self._remember(theme=self._theme.mode)

    def switch_contrast(self) -> None:
        """Go to strong contrast, or back."""
        self._theme.set_high_contrast(not self._theme.high_contrast)
        self._remember(contrast="high" if self._theme.high_contrast else "normal")

    def scale_text(self, step: float | None) -> None:
        """Make all text larger or smaller by `step`; None: of the usual size."""
        self._theme.set_text_scale(self._theme.text_scale + step if step is not None else 1.0)
        self._remember(text_scale=self._theme.text_scale)

    def show_help(self) -> None:
        """Show the keys, and what the program is."""
        window = self.window
        show_help(window.root, self._theme, window.all_commands, version=self._version, fingerprint=self._fingerprint())
