"""Leaves out what the command line's libraries load and no command uses: import this module before all others.
pyOpenSSL is loaded in the same way, where a command needs it.

A short command is a tenth of a second of loading libraries and little else (counted in instructions, of 297 million
with the stand-ins):

    typing_extensions                 msgspec asks it for what `typing` has, pyOpenSSL for a decorator of functions not
                                      to be used any more; it loads `inspect` and parts of a compiler. 31 million
    gettext, platform, urllib.parse   argparse asks the first for its few words in the user's language, and all of ours
                                      are English; uuid the second whether this is Linux; pathlib makes addresses with
                                      the third, seldom. 17 million
    others                            are used by functions that hardly any command calls. 32 million in all

While the libraries are loaded they find a stand-in that has what they ask for, and hands on to the real module what
else is asked of it, then or later. After that it is gone: whoever imports one of these modules gets the real one. What
is loaded already is left as it is. An update of a library that asks for more gets the real module, and a test fails;
nothing is answered falsely (docs/decisions/speed-that-stays.md).
"""

from __future__ import annotations

import importlib
import os
import sys
import typing
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from types import ModuleType
from typing import Any, TypeVar

T = TypeVar("T")


def _stand_in(name: str, **content: object) -> ModuleType:
    """A module that has `content`, and loads the real one when anything else is asked of it."""

    def look(attribute: str) -> object:
        if attribute.startswith("__"):  # those are what an import wants to know
            raise AttributeError(attribute)
        if sys.modules.get(name) is module:
            del sys.modules[name]
        return getattr(importlib.import_module(name), attribute)

    module = ModuleType(name)
    module.__dict__.update(content, __getattr__=look)
    return module


def _same(text: T) -> T:
    return text


def _one_or_many(one: str, many: str, count: int) -> str:
    return one if count == 1 else many


def _quote(text: str | bytes) -> str:
    return importlib.import_module("urllib.parse").quote_from_bytes(text)  # type: ignore[no-any-return]


def _system() -> str:
    return os.uname().sysname


def _type_hints(of: object, **how: object) -> object:
    return importlib.import_module("typing_extensions").get_type_hints(of, **how)


def _deprecated(
    message: str, /, *, category: type[Warning] | None = DeprecationWarning, stacklevel: int = 1
) -> Callable[[Any], Any]:
    """Does as the real one: who calls the function that it marks, or makes an object of the class, is warned."""

    def mark(marked: Any) -> Any:
        is_class = isinstance(marked, type)
        called = marked.__init__ if is_class else marked

        @wraps(called)
        def warned(*args: object, **kwargs: object) -> object:
            if category is not None:
                warnings.warn(message, category, stacklevel=stacklevel + 1)
            return called(*args, **kwargs)

        if is_class:
            marked.__init__ = warned
        else:
            marked = warned
        marked.__deprecated__ = message
        return marked

    return mark


LEFT_OUT: dict[str, dict[str, object]] = {
    "calendar": {},
    "gettext": {"gettext": _same, "ngettext": _one_or_many},
    "ipaddress": {},
    "msgspec.inspect": {},
    "ntpath": {},
    "random": {},
    "selectors": {},
    "textwrap": {},
    "traceback": {},
    "typing_extensions": {
        "NotRequired": typing.NotRequired,
        "Required": typing.Required,
        "deprecated": _deprecated,
        "get_type_hints": _type_hints,
    },
    "urllib.parse": {"quote_from_bytes": _quote},
}
"""Modules by name, each with what its stand-in has of it."""
if sys.platform not in ("win32", "darwin"):  # there, uuid does without
    LEFT_OUT["platform"] = {"system": _system}


@contextmanager
def lean_imports() -> Iterator[None]:
    """Let imports find the stand-ins. One thread at a time, while a program starts."""
    stand_ins = [_stand_in(name, **content) for name, content in LEFT_OUT.items()]
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
