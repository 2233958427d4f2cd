"""Commands of the window: how each is called and reached, when it can be given, what it does, and in which menus it is.

A room lists its own (`files/commands.py`, `account/commands.py`, `shell/commands.py`); keys, menus, buttons, tool tips
and the help are made from those lists, and nobody else has to know of a new one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

StateT = TypeVar("StateT")
ActorT = TypeVar("ActorT")

Scope = Literal["window", "list", "none"]
# Rows of buttons and menus: `go` and `tools` stand in the toolbar left and right of the page's own part, `selection` is
# the context menu of chosen rows (`session`, `wait`, `line` those of the administrators' tables), `folder` that of the
# page without any, `branch` that of a folder in the left pane, `settings` is behind the gear.
MenuName = Literal["go", "tools", "upload", "selection", "folder", "branch", "settings", "session", "wait", "line"]


@dataclass(frozen=True, eq=False)
class Command(Generic[StateT, ActorT]):
    """One thing to do. `when` is asked with the state of who offers it, `do` is called with who carries it out.

    `keys` as people write them, the first one shown. `scope`: where they act: "list" keys act while the page's list has
    the focus, so that Delete or Ctrl+A in a field stays the field's own (nemo#3209). `list_keys` act only there anyway.
    `field_first`: in a text field the keys mean something to the field. `at`: its number in each menu that it stands
    in; tens are groups, with a line between two. `on`: whether its button looks pressed.
    """

    id: str
    label: str
    when: Callable[[StateT], bool]
    do: Callable[[ActorT], object]
    keys: tuple[str, ...] = ()
    icon: str | None = None
    scope: Scope = "window"
    group: str = ""
    list_keys: tuple[str, ...] = ()
    field_first: bool = False
    at: Mapping[MenuName, int] = field(default_factory=dict)
    on: Callable[[StateT], bool] | None = None

    @property
    def shown_keys(self) -> str:
        """The first keys as a person reads them (`Ctrl+U`), "" if it has none."""
        return readable(self.keys[0]) if self.keys else ""

    @property
    def tip(self) -> str:
        """Label and keys, for a button that shows an icon alone."""
        return self.label.rstrip("…") + (f" ({self.shown_keys})" if self.keys else "")


AnyCommand = Command[Any, Any]


class Offer:
    """Commands of one room, with its state now and who carries them out. No state (None): nothing can be done."""

    def __init__(
        self,
        commands: Iterable[Command[StateT, ActorT]],
        state: Callable[[], StateT | None],
        actor: Callable[[], ActorT],
    ) -> None:
        self.commands: tuple[AnyCommand, ...] = tuple(commands)
        self._state: Callable[[], Any] = state
        self._actor: Callable[[], Any] = actor

    def possible(self) -> frozenset[AnyCommand]:
        """Commands that can be given now."""
        state = self._state()
        return frozenset() if state is None else frozenset(each for each in self.commands if each.when(state))

    def switched_on(self) -> frozenset[AnyCommand]:
        """Commands whose button looks pressed now."""
        state = self._state()
        if state is None:
            return frozenset()
        return frozenset(each for each in self.commands if each.on is not None and each.on(state))

    def run(self, command: AnyCommand) -> None:
        """Do it, if it is one of these and can be done now."""
        state = self._state() if command in self.commands else None
        if state is not None and command.when(state):
            command.do(self._actor())


class Offers:
    """Everything that is on offer at the moment, of the window and of the page it shows."""

    def __init__(self) -> None:
        self._offers: tuple[Offer, ...] = ()

    def set(self, *offers: Offer) -> None:
        """Offer these, and no others."""
        self._offers = offers

    @property
    def commands(self) -> tuple[AnyCommand, ...]:
        """All commands, possible now or not."""
        return tuple(command for offer in self._offers for command in offer.commands)

    def possible(self) -> frozenset[AnyCommand]:
        """Commands that can be given now."""
        return frozenset[AnyCommand]().union(*(offer.possible() for offer in self._offers))

    def switched_on(self) -> frozenset[AnyCommand]:
        """Commands whose button looks pressed now."""
        return frozenset[AnyCommand]().union(*(offer.switched_on() for offer in self._offers))

    def run(self, command: AnyCommand) -> None:
        """Do it, if somebody offers it and it can be done now."""
        for offer in self._offers:
            offer.run(command)

    def of_menu(self, name: MenuName) -> tuple[AnyCommand | None, ...]:
        """The rows of a menu in their order; None is a line between two groups."""
        return rows_of(self.commands, name)

    def by_key(self, keys: str) -> AnyCommand | None:
        """The command that these keys give, wherever the keyboard is."""
        return next((each for each in self.commands if keys in each.keys and each.scope == "window"), None)

    def by_list_key(self, keys: str) -> AnyCommand | None:
        """The command that these keys give while the page's list has the keyboard."""
        return next((each for each in self.commands if keys in keys_of_list(each)), None)


def keys_of_list(command: AnyCommand) -> tuple[str, ...]:
    """The keys of a command that act only in the list."""
    return (*command.list_keys, *(command.keys if command.scope == "list" else ()))


def rows_of(commands: Sequence[AnyCommand], name: MenuName) -> tuple[AnyCommand | None, ...]:
    """The rows of the menu `name` in their order; None is a line between two groups."""
    rows: list[AnyCommand | None] = []
    group = None
    for command in sorted((each for each in commands if name in each.at), key=lambda each: each.at[name]):
        if group not in (None, command.at[name] // 10):
            rows.append(None)
        group = command.at[name] // 10
        rows.append(command)
    return tuple(rows)


_SHOWN = {
    "Left": "←",
    "Right": "→",
    "Up": "↑",
    "Return": "Enter",
    "space": "Space",
    "Delete": "Del",
    "plus": "+",
    "equal": "=",
    "minus": "−",
    "comma": ",",
}
_MODIFIERS = {"Ctrl": "Control", "Alt": "Alt", "Shift": "Shift"}
_MAC_MODIFIERS = {"Ctrl": "Command", "Alt": "Option", "Shift": "Shift"}
_NAMED = {"Backspace": "BackSpace"}


def readable(keys: str, *, mac: bool = False) -> str:
    """`Alt+Left` as `Alt+←`; on a Mac `⌥←`."""
    parts = keys.split("+")
    last = _SHOWN.get(parts[-1], parts[-1])
    if mac:
        return "".join({"Ctrl": "⌘", "Alt": "⌥", "Shift": "⇧"}[part] for part in parts[:-1]) + last
    return "+".join([*parts[:-1], last])


def sequence(keys: str, *, mac: bool = False) -> str:
    """The Tk event sequence of `keys`: `Ctrl+Shift+N` is `<Control-Shift-KeyPress-N>`."""
    *modifiers, key = keys.split("+")
    names = _MAC_MODIFIERS if mac else _MODIFIERS
    key = _NAMED.get(key, key)
    if len(key) == 1:
        # With Shift held, X reports the capital letter.
        key = key.upper() if "Shift" in modifiers else key.lower()
    return "<" + "".join(f"{names[m]}-" for m in modifiers) + f"KeyPress-{key}>"
