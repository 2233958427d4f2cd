"""Requests, replies, and all that is true of a command: stated once, where its request is defined.

    @command("stat", Access.USER, "what one path or node is", space_in=("ref",))
    class StatRequest(Request[StatReply], frozen=True, kw_only=True): ...

A request's type carries the type of its reply, so that whoever sends one gets the other typed. No I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Annotated, Any, Generic, TypeVar, cast

import msgspec
from msgspec import Meta

__all__ = [
    "SPECS",
    "SPECS_BY_NAME",
    "Access",
    "ChangingRequest",
    "CommandSpec",
    "Done",
    "Reply",
    "ReplyT",
    "Request",
    "RequestPart",
    "reply_type",
    "spaces_named",
    "spec_of",
]

OpId = Annotated[bytes, Meta(min_length=16, max_length=16)]


class Reply(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An answer of a server."""


class Done(Reply, frozen=True, kw_only=True):
    """Reply without content: done, and nothing to add."""


ReplyT = TypeVar("ReplyT", bound=Reply)


class RequestPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """A part of a request: no command by itself."""


class Request(RequestPart, Generic[ReplyT], frozen=True, kw_only=True):
    """A command as a client gives it, answered by the reply that its type names."""


class ChangingRequest(Request[ReplyT], Generic[ReplyT], frozen=True, kw_only=True):
    """A request that changes something, once however often it is sent under the same `op_id`.

    `action`: of one act of a person or one run of a program, which may be many requests; with the feature "actions".
    """

    op_id: OpId
    action: OpId | None = None


class Access(Enum):
    """Callers who may give a command."""

    ANYONE = "anyone"  # before login
    USER = "user"  # any session
    ADMIN = "admin"


class CommandSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A command. `request_body`, `reply_body`: the most bytes, 0 for none.

    `space_in`: the fields of the request that name the space which it is about (a space, a reference, or several).
    `changes`: whether it bears an op_id. `transfers`: contents of files travel by it.
    `with_temporary_password`: allowed to who signed in with one that an administrator has given.
    `event`: what follows the reply for as long as the connection lasts.
    """

    name: str
    request: type[Request[Any]]
    reply: type[Reply]
    access: Access
    summary: str
    request_body: int
    reply_body: int
    space_in: tuple[str, ...]
    changes: bool
    transfers: bool
    with_temporary_password: bool
    event: type[Reply] | None


_specs: dict[type[Request[Any]], CommandSpec] = {}
_by_name: dict[str, CommandSpec] = {}
RequestClass = TypeVar("RequestClass", bound=type[Request[Any]])


def command(
    name: str,
    access: Access,
    summary: str,
    *,
    request_body: int = 0,
    reply_body: int = 0,
    space_in: tuple[str, ...] = (),
    transfers: bool = False,
    with_temporary_password: bool = False,
    event: type[Reply] | None = None,
) -> Callable[[RequestClass], RequestClass]:
    """A decorator of a request's class: makes it a command. See CommandSpec."""

    def stated(request: RequestClass) -> RequestClass:
        (base,) = cast("Any", request).__orig_bases__
        spec = CommandSpec(
            name=name,
            request=request,
            reply=base.__args__[0],
            access=access,
            summary=summary,
            request_body=request_body,
            reply_body=reply_body,
            space_in=space_in,
            changes=issubclass(request, ChangingRequest),
            transfers=transfers,
            with_temporary_password=with_temporary_password,
            event=event,
        )
        _specs[request] = _by_name[name] = spec
        return request

    return stated


def reply_type(request: Request[ReplyT]) -> type[ReplyT]:
    """The type of the reply to `request`."""
    return cast("type[ReplyT]", _specs[type(request)].reply)


def spec_of(request: type[Request[Any]]) -> CommandSpec:
    """Spec of the command whose request has this type."""
    return _specs[request]


def spaces_named(request: Request[Any]) -> Iterator[str | None]:
    """The ids of the spaces that `request` names, None for the home; none at all if it is about no space."""
    for field in _specs[type(request)].space_in:
        yield from _spaces_in(getattr(request, field))


def _spaces_in(value: Any) -> Iterator[str | None]:
    if value is None or isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for one in value:
            yield from _spaces_in(one)
    else:  # a reference, or an item that has one
        yield value.space if hasattr(value, "space") else value.ref.space


# All commands whose messages have been loaded. `sfos.protocol.COMMANDS` loads those that are missing, and is all.
SPECS: Mapping[type[Request[Any]], CommandSpec] = MappingProxyType(_specs)
SPECS_BY_NAME: Mapping[str, CommandSpec] = MappingProxyType(_by_name)
