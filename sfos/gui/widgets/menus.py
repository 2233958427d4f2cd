"""Menus in the window's colours."""

from __future__ import annotations

import contextlib
import tkinter as tk
from collections.abc import Callable, Collection, Sequence

from sfos.gui.commands import AnyCommand
from sfos.gui.look.theme import Theme

_ICON, _ROW_PAD = 15, 5  # design pixels: of an icon, and above and below it


class Menu(tk.Menu):
    """A menu that looks like the window. Every row bears an icon, if only an empty one: it makes rows high and even."""

    def __init__(self, parent: tk.Misc, theme: Theme) -> None:
        super().__init__(parent, tearoff=False)
        self._theme = theme
        palette = theme.palette
        # A menu draws its own border in its background; each row is then painted over in the colour of a surface.
        self.configure(
            background=palette.border,
            foreground=palette.text,
            activebackground=palette.selection,
            activeforeground=palette.text,
            disabledforeground=palette.disabled,
            relief="flat",
            borderwidth=max(1, theme.px(1)),
            activeborderwidth=0,
            font="TkMenuFont",
        )

    def add_row(
        self, label: str, command: Callable[[], object], *, icon: str = "", keys: str = "", enabled: bool = True
    ) -> None:
        """One thing to choose, with its icon on the left and its keys on the right."""
        theme, palette = self._theme, self._theme.palette
        colour = palette.text if enabled else palette.disabled
        # Not in Tk's state "disabled", which covers an icon with a grey box that no option takes away.
        self.add_command(
            label=f"{label}\u2003",
            accelerator=f"{keys}\u2002" if keys else "",
            command=command if enabled else "",
            image=theme.icon(icon, colour, _ICON, pad_left=8, pad_right=10, pad_y=_ROW_PAD),
            compound="left",
            background=palette.surface,
            foreground=colour,
            activeforeground=colour,
            activebackground=palette.selection if enabled else palette.surface,
        )

    def add_line(self) -> None:
        """A line between two groups."""
        # Not a separator: Tk draws those in a shade of its own, which no option tones down.
        line = self._theme.icon("", None, 1)
        self.add_command(
            label="", image=line, state="disabled", background=self._theme.palette.hover, font=("TkFixedFont", -1)
        )


def command_menu(
    parent: tk.Misc,
    theme: Theme,
    commands: Sequence[AnyCommand | None],
    possible: Collection[AnyCommand],
    run: Callable[[AnyCommand], object],
    *,
    keys: bool = True,
) -> Menu:
    """A menu of commands with their icons; None draws a line. `keys`: shown too, as they do the same here."""
    menu = Menu(parent, theme)
    for command in commands:
        if command is None:
            menu.add_line()
            continue
        menu.add_row(
            command.label,
            lambda chosen=command: run(chosen),  # type: ignore[misc]
            icon=command.icon or "dot",
            keys=command.shown_keys if keys else "",
            enabled=command in possible,
        )
    return menu


def below(button: tk.Misc, theme: Theme) -> tuple[int, int]:
    """Place on the screen where a menu of `button` opens: under its left corner."""
    return button.winfo_rootx(), button.winfo_rooty() + button.winfo_height() + theme.px(2)


def popup(menu: Menu, x: int, y: int) -> None:
    """Open `menu` at this place of the screen; it is gone once it closes.

    On X11 it returns while the menu is open, and Tk holds a grab, by which a click elsewhere or Escape closes it.
    """
    menu.bind("<Unmap>", lambda _event: menu.after_idle(_destroy, menu), add="+")
    menu.tk_popup(x, y)


def _destroy(menu: Menu) -> None:
    with contextlib.suppress(tk.TclError):  # its window may have been destroyed with it
        menu.destroy()
