"""Fuzzing what people see: the commands' own output, of a server that says anything at all."""

from __future__ import annotations

import io
from types import ModuleType, SimpleNamespace
from typing import Any, cast

from sfos.cli.admin import audit, penalties, users
from sfos.cli.admin import sessions as admin_sessions
from sfos.cli.admin.audit import AdminAuditOptions
from sfos.cli.admin.penalties import AdminPenaltiesOptions
from sfos.cli.admin.sessions import AdminSessionsOptions
from sfos.cli.admin.users import AdminUsersOptions
from sfos.cli.commands import ls, mkdir, mv, rm, sessions, stat, usage
from sfos.cli.commands.ls import ListOptions
from sfos.cli.commands.mkdir import MakeFolderOptions
from sfos.cli.commands.mv import MoveOptions
from sfos.cli.commands.rm import RemoveOptions
from sfos.cli.commands.sessions import SessionsOptions
from sfos.cli.commands.stat import StatOptions
from sfos.cli.commands.usage import UsageOptions
from sfos.cli.front.shell import Shell
from sfos.client.api import Api
from sfos.client.session.session import Session
from sfos.protocol import SfosError
from tests.support.sample_messages import SESSION, SPACE
from tests.torture.fuzz_client import Liar
from tests.torture.fuzz_decoders import Cases
from tests.torture.fuzz_mutator import Mutator
from tests.torture.scenario import Context, Figures

_COMMANDS: tuple[tuple[ModuleType, Any], ...] = (
    *((ls, ListOptions(long=long, recursive=deep)) for long in (False, True) for deep in (False, True)),
    *((ls, ListOptions(json=True, recursive=deep)) for deep in (False, True)),
    *((stat, StatOptions(paths=("/x",), json=json)) for json in (False, True)),
    *((usage, UsageOptions(json=json)) for json in (False, True)),
    *((sessions, SessionsOptions(json=json)) for json in (False, True)),
    *((users, AdminUsersOptions(json=json)) for json in (False, True)),
    *((admin_sessions, AdminSessionsOptions()), (penalties, AdminPenaltiesOptions()), (audit, AdminAuditOptions())),
    *((rm, RemoveOptions(paths=("/x",))), (mv, MoveOptions(paths=("/x", "/y")))),
    (mkdir, MakeFolderOptions(paths=("/x",))),
)  # fmt: skip


class _Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


def fuzz_terminal(context: Context) -> Figures:
    """Every line that a command prints is one that no terminal obeys."""
    chance = context.random
    api = Api(Liar(Mutator(chance), chance.randrange), lambda: SPACE)
    session = cast("Session", SimpleNamespace(api=api, user="user1", address="host:1", info=SESSION))

    def one() -> None:
        module, options = chance.choice(_COMMANDS)
        kind = chance.choice((_Screen, io.StringIO))
        out, err = kind(), kind()
        try:
            module.run(session, Shell(io.StringIO(), out, err, verbose=True), options)
        finally:
            for line in (out.getvalue() + err.getvalue()).split("\n"):
                assert line.isprintable(), f"{type(options).__name__} prints {ascii(line)[:200]}"

    return Cases(context, "outputs", SfosError).run(one)
