"""How each command is carried out: thin functions, request → domain → reply, in one table by the command's name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from server.calls import Handler
from server.handlers.access import ACCESS
from server.handlers.administration import ADMINISTRATION
from server.handlers.files import FILES
from server.handlers.own_sessions import OWN_SESSIONS
from server.handlers.watching import WATCHING

HANDLERS: Mapping[str, Handler] = MappingProxyType({**ACCESS, **OWN_SESSIONS, **ADMINISTRATION, **FILES, **WATCHING})
