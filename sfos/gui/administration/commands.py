"""Commands of the page for administrators."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from sfos.gui.commands import Command

if TYPE_CHECKING:  # loads the client, which the first picture of the window need not wait for
    from sfos.gui.administration.orders import AdminOrders
    from sfos.gui.administration.presenter import AdminState

AdminCommand: TypeAlias = "Command[AdminState, AdminOrders]"


def _always(_state: AdminState) -> bool:
    return True


def _account(state: AdminState) -> bool:
    return state.account is not None


def _other(state: AdminState) -> bool:
    """One account, and not one's own: nobody locks themselves out by a slip."""
    return state.account is not None and state.account.name != state.user


def _waits(state: AdminState) -> bool:
    return state.tab == "waits"


ADMIN_REFRESH: AdminCommand = Command(
    "admin_refresh", "Refresh", _always, lambda do: do.refresh(),
    ("F5", "Ctrl+R"), "arrow-clockwise", group="Administration", at={"go": 4, "folder": 31},
)  # fmt: skip
ADMIN_FIND: AdminCommand = Command(
    "admin_find", "Find rows", _always, lambda do: do.find(),
    ("Ctrl+F",), "search", group="Administration",
)  # fmt: skip
ADD_ACCOUNT: AdminCommand = Command(
    "add_account", "Add an account…", _always, lambda do: do.ask_account(),
    ("Ctrl+N",), "person-plus", group="Administration", at={"tools": 1, "folder": 11},
)  # fmt: skip
NEW_PASSWORD: AdminCommand = Command(
    "admin_password", "Give a new password…", _other, lambda do: do.ask_password(),
    (), "key", "list", "Administration", at={"selection": 11},
)  # fmt: skip
LIMITS: AdminCommand = Command(
    "admin_limits", "Set limits…", _account, lambda do: do.ask_limits(),
    ("F2",), "hdd", "list", "Administration", at={"selection": 12},
)  # fmt: skip
MAKE_ADMIN: AdminCommand = Command(
    "make_admin", "Make an administrator…",
    lambda state: state.account is not None and state.account.role == "user", lambda do: do.ask_role("admin"),
    (), "shield-lock", "list", "Administration", at={"selection": 21},
)  # fmt: skip
MAKE_USER: AdminCommand = Command(
    "make_user", "Make an ordinary user…",
    lambda state: _other(state) and state.account is not None and state.account.role == "admin",
    lambda do: do.ask_role("user"), (), "person", "list", "Administration", at={"selection": 22},
)  # fmt: skip
DISABLE: AdminCommand = Command(
    "disable_account", "Disable…",
    lambda state: _other(state) and state.account is not None and not state.account.disabled,
    lambda do: do.ask_disable(), (), "person-x", "list", "Administration", at={"selection": 23},
)  # fmt: skip
ENABLE: AdminCommand = Command(
    "enable_account", "Enable", lambda state: state.account is not None and state.account.disabled,
    lambda do: do.enable(), (), "person-check", "list", "Administration", at={"selection": 24},
)  # fmt: skip
SESSIONS_OF: AdminCommand = Command(
    "sessions_of", "Show its sessions", _account, lambda do: do.show_sessions_of(),
    ("Return",), "display", "list", "Administration", at={"selection": 31},
)  # fmt: skip
SIGN_OUT_OF: AdminCommand = Command(
    "sign_out_account", "Sign out everywhere…",
    lambda state: state.account is not None and state.account.sessions > 0, lambda do: do.ask_sign_out_account(),
    (), "box-arrow-right", "list", "Administration", at={"selection": 32},
)  # fmt: skip
REMOVE: AdminCommand = Command(
    "remove_account", "Remove…", _other, lambda do: do.ask_remove(),
    ("Delete",), "trash", "list", "Administration", at={"selection": 41},
)  # fmt: skip
END_SESSIONS: AdminCommand = Command(
    "end_sessions", "Sign out", lambda state: bool(state.sessions), lambda do: do.end_sessions(),
    ("Ctrl+Delete",), "box-arrow-right", "list", "Administration", at={"session": 11},
)  # fmt: skip
LIFT: AdminCommand = Command(
    "lift_waits", "Lift the wait", lambda state: _waits(state) and bool(state.selected), lambda do: do.lift(),
    ("Ctrl+L",), "unlock", "list", "Administration", at={"wait": 11},
)  # fmt: skip
LIFT_ALL: AdminCommand = Command(
    "lift_all_waits", "Lift all…", lambda state: _waits(state) and bool(state.total), lambda do: do.ask_lift_all(),
    (), "unlock", "list", "Administration", at={"wait": 12},
)  # fmt: skip
COPY_LINES: AdminCommand = Command(
    "copy_rows", "Copy", lambda state: bool(state.selected), lambda do: do.copy(),
    ("Ctrl+C",), "copy", "list", "Administration", at={"selection": 51, "session": 51, "wait": 51, "line": 51},
)  # fmt: skip
MORE_AUDIT: AdminCommand = Command(
    "more_audit", "Show older lines", lambda state: state.tab == "audit" and state.more, lambda do: do.more_audit(),
    (), "clock-history", "list", "Administration", at={"line": 11},
)  # fmt: skip

COMMANDS: tuple[AdminCommand, ...] = (
    ADMIN_REFRESH, ADMIN_FIND, ADD_ACCOUNT, NEW_PASSWORD, LIMITS, MAKE_ADMIN, MAKE_USER, DISABLE, ENABLE, SESSIONS_OF,
    SIGN_OUT_OF, REMOVE, END_SESSIONS, LIFT, LIFT_ALL, COPY_LINES, MORE_AUDIT,
)  # fmt: skip
