"""Commands of the window itself, whichever page it shows."""

from __future__ import annotations

from sfos.gui.commands import Command
from sfos.gui.shell.actions import WindowActions
from sfos.gui.shell.main_window import WindowState

WindowCommand = Command[WindowState, WindowActions]


def _always(_state: WindowState) -> bool:
    return True


def _signed_in(state: WindowState) -> bool:
    return state.signed_in


BACK = WindowCommand(
    "back", "Back", lambda state: state.can_back, lambda do: do.window.navigator.back(),
    ("Alt+Left",), "arrow-left", group="Go", list_keys=("Backspace",), at={"go": 1},
)  # fmt: skip
FORWARD = WindowCommand(
    "forward", "Forward", lambda state: state.can_forward, lambda do: do.window.navigator.forward(),
    ("Alt+Right",), "arrow-right", group="Go", at={"go": 2},
)  # fmt: skip
TRANSFERS = WindowCommand(
    "transfers", "Show or hide transfers", _signed_in, lambda do: do.window.toggle_transfers(),
    ("Ctrl+J",), "arrow-down-up", group="Window", at={"settings": 22},
)  # fmt: skip
DETAILS_PANE = WindowCommand(
    "details_pane", "Show or hide the preview", lambda state: state.has_aside, lambda do: do.toggle_aside(),
    ("F8",), "layout-sidebar-reverse", group="Window", at={"tools": 9, "settings": 21},
    on=lambda state: state.aside_shown,
)  # fmt: skip
SIDE_PANE = WindowCommand(
    "side_pane", "Show or hide the folders", _signed_in, lambda do: do.toggle_side(),
    ("F7",), "layout-sidebar", group="Window", at={"settings": 20}, on=lambda state: state.side_shown,
)  # fmt: skip
NEXT_PANE = WindowCommand(
    "next_pane", "Go to the next pane", _signed_in, lambda do: do.window.next_pane(),
    ("F6",), "window-split", group="Window",
)  # fmt: skip
MENU = WindowCommand(
    "menu", "Menu of the selection", lambda state: state.has_menu, lambda do: do.window.open_page_menu(),
    ("Shift+F10",), "three-dots", "list", "Window",
)  # fmt: skip
SETTINGS = WindowCommand(
    "settings", "Settings…", _always, lambda do: do.show_settings(),
    ("Ctrl+comma",), "sliders", group="Window", at={"settings": 1},
)  # fmt: skip
THEME = WindowCommand(
    "theme", "Switch between light and dark", _always, lambda do: do.switch_mode(),
    (), "circle-half", "none", "Window", at={"settings": 11},
)  # fmt: skip
CONTRAST = WindowCommand(
    "contrast", "Switch strong contrast on or off", _always, lambda do: do.switch_contrast(),
    (), "brightness-high", "none", "Window", at={"settings": 12},
)  # fmt: skip
TEXT_LARGER = WindowCommand(
    "text_larger", "Larger text", _always, lambda do: do.scale_text(0.1),
    ("Ctrl+plus", "Ctrl+equal"), "zoom-in", group="Window", at={"settings": 13},
)  # fmt: skip
TEXT_SMALLER = WindowCommand(
    "text_smaller", "Smaller text", _always, lambda do: do.scale_text(-0.1),
    ("Ctrl+minus",), "zoom-out", group="Window", at={"settings": 14},
)  # fmt: skip
TEXT_NORMAL = WindowCommand(
    "text_normal", "Text of the usual size", _always, lambda do: do.scale_text(None),
    ("Ctrl+0",), "fonts", group="Window",
)  # fmt: skip
SIGN_OUT = WindowCommand(
    "sign_out", "Sign out", _signed_in, lambda do: do.sign_out(),
    (), "box-arrow-right", "none", "Window", at={"settings": 33},
)  # fmt: skip
HELP = WindowCommand(
    "help", "Keys and help", _always, lambda do: do.show_help(),
    ("F1",), "question-circle", group="Window", at={"settings": 41},
)  # fmt: skip
QUIT = WindowCommand(
    "quit", "Close the window", _always, lambda do: do.quit(),
    ("Ctrl+Q",), "x-lg", group="Window", at={"settings": 42},
)  # fmt: skip

COMMANDS: tuple[WindowCommand, ...] = (
    BACK, FORWARD, TRANSFERS, DETAILS_PANE, SIDE_PANE, NEXT_PANE, MENU, SETTINGS, THEME, CONTRAST, TEXT_LARGER,
    TEXT_SMALLER, TEXT_NORMAL, SIGN_OUT, HELP, QUIT,
)  # fmt: skip
