"""Actions behind the window's own commands."""

from __future__ import annotations

import os
from collections.abc import Callable

from sfos.gui.choices import Memory
from sfos.gui.look.palette import Mode
from sfos.gui.look.theme import Theme
from sfos.gui.shell import desktop
from sfos.gui.shell.help import show_help
from sfos.gui.shell.main_window import MainWindow
from sfos.gui.shell.settings_dialog import LookActions, SettingsDialog
from sfos.gui.threads.bridge import TaskBridge


class WindowActions:
    """Carries them out. `memory`: takes what is to be the same next time."""

    def __init__(
        self,
        window: MainWindow,
        theme: Theme,
        version: str,
        *,
        memory: Memory,
        bridge: TaskBridge,
        follow_system: Callable[[], None],
        fingerprint: Callable[[], str],
        sign_out: Callable[[], None],
        close: Callable[[], None],
    ) -> None:
        self.window = window
        self._theme, self._version = theme, version
        self._memory, self._bridge = memory, bridge
        self._follow_system, self._fingerprint = follow_system, fingerprint
        self.sign_out, self.quit = sign_out, close

    def toggle_aside(self) -> None:
        """Show the right pane, or hide it."""
        self.window.show_aside(not self.window.aside_shown)
        self._memory.remember(details=self.window.aside_shown)

    def toggle_side(self) -> None:
        """Show the left pane, or hide it."""
        self.window.show_side(not self.window.side_shown)

    def switch_mode(self) -> None:
        """Go from light to dark colours, or back."""
        self._theme.set_mode("light" if self._theme.mode == "dark" else "dark")
        self._memory.remember(theme=self._theme.mode)

    def set_mode(self, mode: Mode | None) -> None:
        """Show these colours; None: those of the system, found out in a moment."""
        self._memory.remember(theme=mode)
        if mode is None:
            self._follow_system()
        else:
            self._theme.set_mode(mode)

    def switch_contrast(self) -> None:
        """Go to strong contrast, or back."""
        self.set_contrast(not self._theme.high_contrast)

    def set_contrast(self, strong: bool) -> None:
        """Show strong contrast, or the usual one."""
        self._theme.set_high_contrast(strong)
        self._memory.remember(contrast="high" if strong else "normal")

    def scale_text(self, step: float | None) -> None:
        """Make all text larger or smaller by `step`; None: of the usual size."""
        self._theme.set_text_scale(self._theme.text_scale + step if step is not None else 1.0)
        self._memory.remember(text_scale=self._theme.text_scale)

    def show_settings(self) -> None:
        """Show all that can be chosen."""
        actions = LookActions(self.set_mode, self.set_contrast, self.scale_text, self._choose_download_dir)
        self._settings = SettingsDialog(
            self.window.root, self._theme, self._memory, actions, desktop_tells=desktop.can_notify()
        )
        self._settings.open()

    def _choose_download_dir(self) -> None:
        from sfos.gui.choosing.choose import choose  # it loads the client, for which no window need wait
        from sfos.gui.choosing.presenter import USE

        memory = self._memory
        choose(
            self._settings, self._theme, self._bridge, "destination", memory.download_dir,
            lambda paths: memory.remember(download_dir=os.fsencode(paths[0])), title="Downloads go to", words=USE,
        )  # fmt: skip

    def show_help(self) -> None:
        """Show the keys, and what the program is."""
        window = self.window
        show_help(
            window.root, self._theme, window.commands_of_session, version=self._version, fingerprint=self._fingerprint()
        )
