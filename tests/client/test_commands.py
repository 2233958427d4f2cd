from __future__ import annotations

import inspect
import types
import typing

import pytest

from sfos.client.commands import Commands, ReplyT
from sfos.protocol import COMMANDS, Buffer, CommandSpec, Request


class Recorder:
    """A caller that notes what it was asked to send and answers nothing."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, type, int]] = []

    def call(self, command: str, request: Request, kind: type[ReplyT], *body: Buffer) -> tuple[ReplyT, memoryview]:
        self.calls.append((command, kind, len(body)))
        return typing.cast("ReplyT", None), memoryview(b"")


def methods() -> set[str]:
    return {name for name, _ in inspect.getmembers(Commands, inspect.isfunction) if not name.startswith("_")}


def test_each_command_has_its_method_and_there_are_no_others() -> None:
    assert methods() == set(COMMANDS)


@pytest.mark.parametrize("spec", COMMANDS.values(), ids=lambda spec: spec.name)
def test_a_commands_method_takes_and_gives_what_the_table_says(spec: CommandSpec) -> None:
    recorder = Recorder()
    method = getattr(Commands(recorder), spec.name)
    hints = typing.get_type_hints(getattr(Commands, spec.name), localns={"list": list})
    assert hints["request"] is spec.request
    body = [b""] if spec.request_body else []
    method(Request(), *body)
    assert recorder.calls == [(spec.name, spec.reply, len(body))]
    expected = (
        types.GenericAlias(tuple, (spec.reply, memoryview)) if spec.reply_body and spec.event is None else spec.reply
    )
    assert hints["return"] == expected
