"""Menus in the window's colours."""

from __future__ import annotations

import contextlib
import tkinter as tk
from collections.abc import Callable, Collection, Sequence

from gui.commands import COMMANDS, Command, readable
from gui.theme import Theme


def dress(menu: tk.Menu, theme: Theme) -> None:
    """Give `menu` the palette; classic menus know nothing of ttk styles."""
    palette = theme.palette
    menu.configure(
        background=palette.surface,
        foreground=palette.text,
        activebackground=palette.selection,
        activeforeground=palette.text,
        disabledforeground=palette.disabled,
        selectcolor=palette.accent,
        relief="flat",
        borderwidth=1,
        activeborderwidth=0,
        font="TkMenuFont",
    )


def command_menu(
    parent: tk.Misc,
    theme: Theme,
    commands: Sequence[Command | None],
    enabled: Collection[Command],
    run: Callable[[Command], None],
) -> tk.Menu:
    """A menu of commands with their icons and keys; None draws a line."""
    menu = tk.Menu(parent, tearoff=False)
    for command in commands:
        if command is None:
            menu.add_separator()
            continue
        spec = COMMANDS[command]
        allowed = command in enabled
        colour = theme.palette.text if allowed else theme.palette.disabled
        menu.add_command(
            label=spec.label,
            accelerator=readable(spec.keys[0]) if spec.keys else "",
            state="normal" if allowed else "disabled",
            command=lambda chosen=command: run(chosen),  # type: ignore[misc]
            image=theme.icon(spec.icon or "dot", colour, 15, pad_left=6, pad_right=8),
            compound="left",
        )
    return menu


def popup(menu: tk.Menu, theme: Theme, x: int, y: int) -> None:
    """Open `menu` at this place of the screen; it is gone once it closes."""
    dress(menu, theme)
    menu.bind("<Unmap>", lambda _event: menu.after_idle(_destroy, menu))
    try:
        menu.tk_popup(x, y)
    finally:
        menu.grab_release()


def _destroy(menu: tk.Menu) -> None:
    with contextlib.suppress(tk.TclError):  # its window may have been destroyed with it
        menu.destroy()
