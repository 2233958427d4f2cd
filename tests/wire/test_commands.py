"""The table of commands: whole, and true of the types that it names."""

from __future__ import annotations

import importlib
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sfos import protocol as p
from tests.support.sample_messages import REQUESTS, lacking

SPACE = "ab" * 16
WIRE = Path(p.__file__).parent / "wire"


def request_types(kind: type[Any] = p.Request) -> Iterator[type[p.Request[Any]]]:
    for child in kind.__subclasses__():
        if child is not p.ChangingRequest and child.__module__.startswith("sfos."):
            yield child
        yield from request_types(child)


def test_every_command_has_a_sample_of_its_request_and_of_its_reply() -> None:
    assert lacking() == []


def test_every_type_of_request_is_a_command_and_of_one_alone() -> None:
    without = sorted(kind.__name__ for kind in set(request_types()) - set(p.COMMANDS))
    assert without == [], "no @command stands above these in sfos/wire"
    assert len(p.COMMANDS) == len(p.COMMANDS_BY_NAME)


@pytest.mark.parametrize("spec", p.COMMANDS.values(), ids=lambda spec: spec.name)
def test_a_request_carries_the_type_of_its_reply(spec: p.CommandSpec) -> None:
    assert issubclass(spec.reply, p.Reply) and spec.reply is not p.Reply
    assert p.COMMANDS_BY_NAME[spec.name] is p.COMMANDS[spec.request] is spec
    assert spec.changes == issubclass(spec.request, p.ChangingRequest)
    message = REQUESTS[spec.request].message
    assert isinstance(message, p.Request)
    assert p.reply_type(message) is spec.reply


def with_space(value: Any) -> tuple[Any, int]:
    """`value` with SPACE in each of its fields called space, however deep, and how many there were."""
    if isinstance(value, tuple):
        pairs = [with_space(one) for one in value]
        return tuple(one for one, _ in pairs), sum(count for _, count in pairs)
    if not isinstance(value, msgspec.Struct):
        return value, 0
    changed, found = {}, 0
    for name in value.__struct_fields__:
        if name == "space":
            changed[name], count = SPACE, 1
        else:
            changed[name], count = with_space(getattr(value, name))
        found += count
    return msgspec.structs.replace(value, **changed), found


@pytest.mark.parametrize("spec", p.COMMANDS.values(), ids=lambda spec: spec.name)
def test_the_table_knows_every_space_that_a_request_names(spec: p.CommandSpec) -> None:
    request, found = with_space(REQUESTS[spec.request].message)
    assert list(p.spaces_named(request)) == [SPACE] * found, f"{spec.name}: its spec says nothing of a field `space`"


@pytest.mark.parametrize("spec", p.COMMANDS.values(), ids=lambda spec: spec.name)
def test_types_of_replies_and_requests_can_be_read_by_the_decoder(spec: p.CommandSpec) -> None:
    hints = typing.get_type_hints(spec.request)
    assert set(spec.request.__struct_fields__) <= set(hints)
    assert p.decoder_of(spec.request)
    assert p.decoder_of(spec.reply)


def test_what_is_loaded_later_is_what_its_modules_export() -> None:
    assert p.LATER  # type: ignore[attr-defined]  # hidden from the type checker, which sees what it stands for
    for name, names in p.LATER.items():  # type: ignore[attr-defined]
        module = importlib.import_module(name)
        assert sorted(names) == sorted(module.__all__), name
        assert all(getattr(p, one) is getattr(module, one) for one in names)


@pytest.mark.parametrize("name", [path.stem for path in WIRE.glob("*.py") if path.stem != "__init__"])
def test_each_module_of_the_wire_says_what_it_exports_and_the_door_gives_it(name: str) -> None:
    module = importlib.import_module(f"sfos.wire.{name}")
    for one in module.__all__:
        assert getattr(p, one) is getattr(module, one), f"{name}.{one}"
