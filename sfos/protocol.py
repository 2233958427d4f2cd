"""The protocol, whole: import everything about it from here.

Frames, typed messages, errors, remote paths, chunk names, SCRAM and tickets live in `wire/` (no sockets, no files);
this module is their one door: what they name in `__all__`, it exports. `COMMANDS` is all commands there are, by the
types of their requests; each is stated where its request is defined. Dispatch, the table in docs/protocol.md and the
tests walk it.

How a connection goes, in short (docs/protocol.md has a numbered transcript):

    TLS 1.3 handshake → hello → login_start, login_finish  (or attach, with a session's ticket)
                      → any commands, pipelined; replies come in order
                      → or watch, and from then on only the server writes
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sfos.wire.attributes import *
from sfos.wire.bodies import *
from sfos.wire.chunks import *
from sfos.wire.commands import *
from sfos.wire.digests import *
from sfos.wire.envelopes import *
from sfos.wire.errors import *
from sfos.wire.fingerprint import *
from sfos.wire.frames import *
from sfos.wire.lists import *
from sfos.wire.messages import *
from sfos.wire.passwords import *
from sfos.wire.paths import *
from sfos.wire.readable import *
from sfos.wire.tickets import *

# Raised only by what an older side would misunderstand, from the first release on; new commands and reply fields do not
# raise it.
VERSION = 1

# Named in hello: what this program can do beyond what version 1 always had. A field that a feature adds is sent only to
# a side that has named it.
FEATURES: tuple[str, ...] = ("set_attributes", "working")
# A server can set times and modes without content.
SET_ATTRIBUTES = "set_attributes"
# A client takes signs that the server works on a request, before its reply.
WORKING = "working"
# A client's requests say which act of a person or run of a program they belong to.
ACTIONS = "actions"

if TYPE_CHECKING:
    from sfos.wire.administration import *
    from sfos.wire.scram import *
    from sfos.wire.sessions import *

    COMMANDS: Mapping[type[Request[Any]], CommandSpec]
    COMMANDS_BY_NAME: Mapping[str, CommandSpec]
else:
    # Modules that are loaded when one of their names is asked for, since most commands of a client need none of them.
    # A test holds that these are what the modules export.
    LATER = {
        "sfos.wire.administration": """
            AccountEntry AccountReply AccountsReply AccountsRequest AddAccountRequest AnySessionsRequest
            AuditTailReply AuditTailRequest ChangeAccountRequest EndAnySessionsRequest LiftPenaltiesRequest
            MAX_ACCOUNTS_PAGE MAX_AUDIT_LINES NO_QUOTA PenaltiesReply PenaltiesRequest PenaltyEntry
            RemoveAccountRequest
        """.split(),
        "sfos.wire.scram": """
            BindingRefused ClientExchange ExchangeMisused IterationsRefused MECHANISM MalformedExchange SALT_BYTES
            SaltedPassword ScramError ServerExchange ServerNotProven StaleSaltedPassword Verifier WrongProof
            check_password_against make_verifier mock_verifier salt_password verifier_of
        """.split(),
        "sfos.wire.sessions": "EndSessionsRequest EndedReply SessionEntry SessionsReply SessionsRequest".split(),
    }
    _MODULE_OF = {name: module for module, names in LATER.items() for name in names}

    def __getattr__(name: str) -> object:
        if name in _MODULE_OF:
            found = getattr(importlib.import_module(_MODULE_OF[name]), name)
        elif name in ("COMMANDS", "COMMANDS_BY_NAME"):
            for module in LATER:
                importlib.import_module(module)
            found = SPECS if name == "COMMANDS" else SPECS_BY_NAME
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = found
        return found
