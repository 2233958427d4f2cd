"""Handlers of all commands: thin functions, request → domain → reply, in one table by the request's type."""

from __future__ import annotations

from types import MappingProxyType

from sfos.server.commands.access import ACCESS
from sfos.server.commands.administration import ADMINISTRATION
from sfos.server.commands.calls import Handlers
from sfos.server.commands.files import FILES
from sfos.server.commands.own_sessions import OWN_SESSIONS
from sfos.server.commands.watching import WATCHING

HANDLERS: Handlers = MappingProxyType({**ACCESS, **OWN_SESSIONS, **ADMINISTRATION, **FILES, **WATCHING})
