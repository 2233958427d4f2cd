"""Commands of administrators: accounts, everybody's sessions, penalties, the audit log.

Nothing here opens a space: an administrator reads nobody's files. Dispatch has seen to the role; each change is
written to the audit log with the name of who made it.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Iterator
from types import MappingProxyType
from typing import Any

from sfos.protocol import (
    MAX_BODY,
    AccountEntry,
    AccountReply,
    AccountsReply,
    AccountsRequest,
    AddAccountRequest,
    AlreadyExists,
    AnySessionsRequest,
    AuditTailReply,
    AuditTailRequest,
    ChangeAccountRequest,
    Done,
    EndAnySessionsRequest,
    EndedReply,
    LiftPenaltiesRequest,
    MalformedMessage,
    NameNotAllowed,
    NotFound,
    PenaltiesReply,
    PenaltiesRequest,
    PenaltyEntry,
    PermissionDenied,
    RemoveAccountRequest,
    SessionsReply,
)
from sfos.server.audit.reading import last_lines_of_all
from sfos.server.commands.calls import Answer, Call, Handler, Handlers
from sfos.server.commands.own_sessions import end_chosen, entries
from sfos.server.commands.verifiers import acceptable
from sfos.server.identity.credential_file import (
    Account,
    AccountExists,
    LastAdministrator,
    NoSuchAccount,
    UserNameRefused,
)
from sfos.server.identity.penalties import address_group

_MOST_SHOWN = 1_000  # sessions or penalties: some 200 bytes each, in a header of at most 1 MiB
_AUDIT_LINE_BYTES = 1_024


# --- Accounts -----------------------------------------------------------------------------------------------------


def accounts(call: Call[AccountsRequest]) -> Answer:
    services, args = call.services, call.args
    found = [account for account in services.accounts.accounts() if account.name > args.after]
    sessions = Counter(session.user_id for session in services.sessions.all())
    return Answer(
        AccountsReply(
            accounts=tuple(_entry(account, sessions[account.user_id]) for account in found[: args.limit]),
            more=len(found) > args.limit,
            iterations=services.security.scram_iterations,
            default_quota_bytes=services.storage.quota_bytes,
            default_quota_files=services.storage.quota_files,
        )
    )


def add_account(call: Call[AddAccountRequest]) -> Answer:
    services, args = call.services, call.args
    verifier = acceptable(args.verifier, services.security.scram_iterations, None)
    present = services.accounts.find(args.name)
    if present is not None and present.verifier == verifier:
        return Answer(AccountReply(account=_entry_of(call, present)))  # a repeat, after a reply that was lost
    with _as_wire_errors(args.name):
        account = services.accounts.add(
            args.name,
            verifier,
            args.role,
            temporary=True,
            quota_bytes=args.quota_bytes,
            quota_files=args.quota_files,
        )
    quotas = {"quota_bytes": account.quota_bytes, "quota_files": account.quota_files}
    _note(call, "account_added", account.name, role=account.role, **quotas)
    return Answer(AccountReply(account=_entry_of(call, account)))


def change_account(call: Call[ChangeAccountRequest]) -> Answer:
    services, args = call.services, call.args
    if args.default_quota and args.quota_bytes is not None:
        raise MalformedMessage("A quota is either a number of bytes or the server's own.")
    if args.default_quota_files and args.quota_files is not None:
        raise MalformedMessage("A quota is either a number of files or the server's own.")
    with _as_wire_errors(args.name):
        present = services.accounts.find(args.name)
        if present is None:
            raise NoSuchAccount
        verifier = None
        if args.verifier is not None:
            verifier = acceptable(args.verifier, services.security.scram_iterations, None)
        account = services.accounts.administer(
            args.name,
            user_id=present.user_id,
            verifier=verifier,
            disabled=args.disabled,
            role=args.role,
            quota_bytes=args.quota_bytes,
            default_quota=args.default_quota,
            quota_files=args.quota_files,
            default_quota_files=args.default_quota_files,
        )
    services.sessions.sweep(services.accounts.find_id)  # at once, not at the watchdog's next look
    _note(
        call,
        "account_changed",
        account.name,
        reset=True if verifier else None,
        disabled=args.disabled,
        role=args.role,
        quota_bytes=args.quota_bytes,
        default_quota=args.default_quota or None,
        quota_files=args.quota_files,
        default_quota_files=args.default_quota_files or None,
    )
    return Answer(AccountReply(account=_entry_of(call, account)))


def remove_account(call: Call[RemoveAccountRequest]) -> Answer:
    services, name = call.services, call.args.name
    with _as_wire_errors(name):
        removed = services.accounts.remove(name)
    services.sessions.sweep(services.accounts.find_id)
    _note(call, "account_removed", name, id=removed.user_id)
    return Answer(Done())


def _entry_of(call: Call[Any], account: Account) -> AccountEntry:
    return _entry(account, len(call.services.sessions.of_user(account.user_id)))


def _entry(account: Account, sessions: int) -> AccountEntry:
    return AccountEntry(
        name=account.name,
        id=account.user_id,
        role=account.role,
        disabled=account.disabled,
        must_change=account.must_change or account.temporary,
        created_ms=round(account.created.timestamp() * 1000),
        quota_bytes=account.quota_bytes,
        quota_files=account.quota_files,
        sessions=sessions,
    )


@contextlib.contextmanager
def _as_wire_errors(name: str) -> Iterator[None]:
    """Translate refusals of the accounts into errors for the client."""
    try:
        yield
    except NoSuchAccount as error:
        raise NotFound("There is no such account.", subject=name) from error
    except AccountExists as error:
        raise AlreadyExists("There is an account of this name already.", subject=name) from error
    except UserNameRefused as error:
        raise NameNotAllowed(UserNameRefused.__doc__, subject=name) from error
    except LastAdministrator as error:
        raise PermissionDenied(LastAdministrator.__doc__, subject=name) from error


def _note(call: Call[Any], event: str, user: str | None, **fields: str | int | bool | None) -> None:
    session, peer = call.session, call.peer
    call.services.audit.write(
        event, user=user, by=session.user, address=peer.address, session=session.ticket_id, **fields
    )


# --- Sessions -----------------------------------------------------------------------------------------------------


def any_sessions(call: Call[AnySessionsRequest]) -> Answer:
    registry, user = call.services.sessions, call.args.user
    chosen = registry.all() if user is None else registry.of_user(_user_id(call, user))
    return Answer(SessionsReply(sessions=entries(call, chosen)[:_MOST_SHOWN]))


def end_any_sessions(call: Call[EndAnySessionsRequest]) -> Answer:
    args = call.args
    ended = end_chosen(call, _user_id(call, args.user), args.session, "ended by an administrator")
    _note(call, "sessions_ended", args.user, ended=ended)
    return Answer(EndedReply(ended=ended))


def _user_id(call: Call[Any], user: str) -> str:
    account = call.services.accounts.find(user)
    if account is None:
        raise NotFound("There is no such account.", subject=user)
    return account.user_id


# --- Penalties ----------------------------------------------------------------------------------------------------


def penalties(call: Call[PenaltiesRequest]) -> Answer:
    now = time.time()
    found = call.services.penalties.current()
    shown = tuple(
        PenaltyEntry(
            kind=penalty.kind,
            name=penalty.name,
            failures=penalty.failures,
            address=penalty.address,
            wait_s=round(penalty.wait_s, 1),
            last_ms=round((now - penalty.age_s) * 1000),
        )
        for penalty in found[:_MOST_SHOWN]
    )
    return Answer(PenaltiesReply(penalties=shown, total=len(found)))


def lift_penalties(call: Call[LiftPenaltiesRequest]) -> Answer:
    kind, name = call.args.kind, call.args.name
    if kind == "address":
        with contextlib.suppress(ValueError):  # a /64 is named as the list names it
            name = address_group(name)
    lifted = call.services.penalties.lift(kind, name)
    _note(call, "penalties_lifted", name if kind == "account" else None, kind=kind, name=name or None, lifted=lifted)
    return Answer(EndedReply(ended=lifted))


# --- The audit log ------------------------------------------------------------------------------------------------


def audit_tail(call: Call[AuditTailRequest]) -> Answer:
    lines = last_lines_of_all(call.services.audit.path, call.args.lines, _audit_bytes(call.args))
    _note(call, "audit_read", None, lines=len(lines))
    return Answer(AuditTailReply(lines=len(lines)), (b"".join(line + b"\n" for line in lines),))


def _audit_bytes(args: AuditTailRequest) -> int:
    return min(MAX_BODY, args.lines * _AUDIT_LINE_BYTES)


ADMINISTRATION: Handlers = MappingProxyType(
    {
        AccountsRequest: Handler(accounts),
        AddAccountRequest: Handler(add_account),
        ChangeAccountRequest: Handler(change_account),
        RemoveAccountRequest: Handler(remove_account),
        AnySessionsRequest: Handler(any_sessions),
        EndAnySessionsRequest: Handler(end_any_sessions),
        PenaltiesRequest: Handler(penalties),
        LiftPenaltiesRequest: Handler(lift_penalties),
        AuditTailRequest: Handler(audit_tail, _audit_bytes),
    }
)
