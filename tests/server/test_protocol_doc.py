"""docs/protocol.md says what the program does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sfos.protocol import (
    COMMANDS,
    COMMANDS_BY_NAME,
    ERRORS,
    MAX_BODY,
    MAX_HEADER,
    MAX_HEADER_BEFORE_LOGIN,
    CommandSpec,
    decode_args,
    decode_reply,
    decode_request,
    decode_result,
)

DOCUMENT = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")
LINE = re.compile(r"^ {4,5}(\d+) (C2?→S|S→C2?) +(\d+)\+(\d+)  (\{.*\})$", re.MULTILINE)


def size(count: int) -> str:
    if not count:
        return "–"
    for unit, name in ((2**20, "MiB"), (2**10, "KiB")):
        if count % unit == 0:
            return f"{count // unit} {name}"
    return f"{count:,} B"


@pytest.mark.parametrize("spec", COMMANDS.values(), ids=COMMANDS_BY_NAME)
def test_each_command_has_its_row_with_its_rights_and_limits(spec: CommandSpec) -> None:
    what = spec.summary + ("; bears an `op_id`" if spec.changes else "")
    row = f"| `{spec.name}` | {what} | {spec.access.value} | {size(spec.request_body)} | {size(spec.reply_body)} |"
    assert f"\n{row}\n" in DOCUMENT


def test_no_row_is_about_a_command_or_an_error_that_there_is_not() -> None:
    assert set(re.findall(r"^\| `(\w+)` \|", DOCUMENT, re.MULTILINE)) == set(COMMANDS_BY_NAME) | set(ERRORS)


@pytest.mark.parametrize("code", ERRORS)
def test_each_error_has_its_row_with_the_sentence_that_people_read(code: str) -> None:
    error = ERRORS[code]
    sentence = (error.__doc__ or "").splitlines()[0]
    assert f"\n| `{code}` | {sentence} | {'yes' if error.retryable else ''} |\n" in DOCUMENT


def test_the_limits_named_are_those_of_the_program() -> None:
    assert (MAX_HEADER_BEFORE_LOGIN, MAX_HEADER, MAX_BODY) == (8 * 2**10, 2**20, 8 * 2**20)


def test_the_transcript_is_numbered_and_every_line_of_it_is_a_message_of_the_protocol() -> None:
    lines = LINE.findall(DOCUMENT)
    assert [int(line[0]) for line in lines] == list(range(1, len(lines) + 1))
    assert len(lines) > 25
    asked: dict[tuple[str, int], CommandSpec] = {}
    for _, direction, header_bytes, body_bytes, text in lines:
        header = text.encode()
        assert len(header) == int(header_bytes)
        client = direction.replace("S", "").replace("→", "")
        if direction.endswith("S"):
            request = decode_request(header)
            spec = asked[client, request.id] = COMMANDS_BY_NAME[request.command]
            decode_args(spec.request, request.args)
            assert int(body_bytes) <= spec.request_body
            continue
        reply = decode_reply(header)
        spec = asked[client, reply.id]
        assert int(body_bytes) <= spec.reply_body
        if reply.error is not None:
            assert reply.error.code in ERRORS
        elif reply.is_event:
            assert spec.event is not None
            decode_result(spec.event, reply.event)
        else:
            decode_result(spec.reply, reply.result)
