"""Leaves out what the command line's libraries load and no command uses: import this module before all others.
pyOpenSSL is loaded in the same way, where a command needs it.

A short command is a tenth of a second of loading libraries and little else (counted in instructions, of 389 million):

    typing_extensions  msgspec and pyOpenSSL ask it for what `typing` has, and for a decorator that warns of their
                       deprecated functions; it loads `inspect` and a compiler's parts. 27 million
    platform           uuid asks it whether this is Linux, which `os.uname` tells. 8 million
    gettext            argparse asks it for its few words in the user's language; all of ours are English. 9 million
    others             are used by functions that hardly any command calls. 29 million in all

While the libraries are loaded they find a stand-in that has what they ask for, and hands on to the real module what
else is asked of it, then or later. After that it is gone: whoever imports one of these modules gets the real one. What
is loaded already is left as it is.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import TypeVar

T = TypeVar("T")

_LATER = ("calendar", "ipaddress", "msgspec.inspect", "ntpath", "random", "selectors", "textwrap", "traceback")


def _stand_in(name: str, *absent: str, **content: object) -> ModuleType:
    """A module that has `content`, lacks what is `absent`, and loads the real one when anything else is asked of it."""

    def look(attribute: str) -> object:
        if attribute in absent or attribute.startswith("__"):  # those are what an import wants to know
            raise AttributeError(attribute)
        if sys.modules.get(name) is module:
            del sys.modules[name]
        return getattr(importlib.import_module(name), attribute)

    module = ModuleType(name)
    module.__dict__.update(content, __getattr__=look)
    return module


def _deprecated(_message: str, /, **_how: object) -> object:
    """As a decorator. Nothing that it marks is used here: the tests run with the real one, and warnings are errors."""
    return lambda marked: marked


def _same(text: T) -> T:
    return text


def _one_or_many(one: str, many: str, count: int) -> str:
    return one if count == 1 else many


def _quote(text: str | bytes) -> str:
    return importlib.import_module("urllib.parse").quote_from_bytes(text)  # type: ignore[no-any-return]


def _system() -> str:
    return os.uname().sysname


@contextmanager
def lean_imports() -> Iterator[None]:
    """Let imports find the stand-ins. One thread at a time, while a program starts."""
    stand_ins = [
        *map(_stand_in, _LATER),
        # What msgspec does not find there, it takes from `typing`.
        _stand_in("typing_extensions", "get_type_hints", "NotRequired", "Required", deprecated=_deprecated),
        _stand_in("gettext", gettext=_same, ngettext=_one_or_many),
        _stand_in("urllib.parse", quote_from_bytes=_quote),  # pathlib makes addresses with it, seldom
    ]
    if sys.platform not in ("win32", "darwin"):  # there, uuid does without
        stand_ins.append(_stand_in("platform", system=_system))
    new = {module.__name__: module for module in stand_ins if module.__name__ not in sys.modules}
    sys.modules.update(new)
    try:
        yield
    finally:
        for name, module in new.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


with lean_imports(), suppress(ModuleNotFoundError):  # of ours: `config` says what to do
    import argparse  # noqa: F401 - here and below: so that they are loaded
    import logging  # noqa: F401
    import pathlib  # noqa: F401
    import socket  # noqa: F401

    import msgspec  # noqa: F401
