"""`admin …`: accounts, sessions, penalties and the audit log, for administrators."""

from __future__ import annotations

import json
from collections.abc import Callable

from sfos.cli.admin.options import (
    AdminAddOptions,
    AdminAuditOptions,
    AdminDisableOptions,
    AdminLiftOptions,
    AdminLogoutOptions,
    AdminOptions,
    AdminPenaltiesOptions,
    AdminQuotaOptions,
    AdminRemoveOptions,
    AdminResetOptions,
    AdminRoleOptions,
    AdminSessionsOptions,
    AdminUsersOptions,
)
from sfos.cli.commands.sessions import iso, named, show
from sfos.cli.front import output, password
from sfos.cli.front.shell import Shell
from sfos.client.administration import Accounts, Administration
from sfos.client.session.session import Session
from sfos.protocol import AccountEntry, LoginRequired, PasswordRefused, PenaltyEntry, counted, printable


def run(session: Session, shell: Shell, options: AdminOptions) -> int:
    """The exit code."""
    admin = Administration(session.api.commands, session.info.password_policy)
    match options:
        case AdminUsersOptions():
            return _users(admin, shell, options)
        case AdminAddOptions():
            return _add(admin, shell, options)
        case AdminResetOptions():
            return _reset(admin, shell, options)
        case AdminDisableOptions():
            account = admin.set_disabled(options.name, options.disabled)
            said = "may no longer sign in; its sessions have ended" if options.disabled else "may sign in again"
            return _changed(shell, account, f"{account.name} {said}.", as_json=options.json)
        case AdminRoleOptions():
            account = admin.set_role(options.name, options.role)
            return _changed(shell, account, f"{account.name} is now: {account.role}.", as_json=options.json)
        case AdminQuotaOptions():
            account = admin.set_quota(options.name, options.quota, options.files)
            found = admin.accounts()
            said = f"{account.name} may store: {_quota(account, found)}; files and folders: {_files(account, found)}."
            return _changed(shell, account, said, as_json=options.json)
        case AdminRemoveOptions():
            return _remove(admin, shell, options)
        case AdminSessionsOptions():
            show(shell, admin.sessions(options.name), as_json=options.json, with_user=True)
            return 0
        case AdminLogoutOptions():
            return _logout(admin, shell, options)
        case AdminPenaltiesOptions():
            return _penalties(admin, shell, options)
        case AdminLiftOptions():
            lifted = admin.lift(address=options.address, user=options.account)
            shell.note(f"{counted(lifted, 'penalty', 'penalties')} lifted.")
            return 0 if lifted or options.every else 4
        case AdminAuditOptions():
            return _audit(admin, shell, options)


# ── accounts ────────────────────────────────────────────────────────────────────────────────────────────────────


def _users(admin: Administration, shell: Shell, options: AdminUsersOptions) -> int:
    found = admin.accounts()
    if options.json:
        for account in found.entries:
            shell.result(output.json_line(account_json(account)))
        return 0
    rows = [["user", "role", "state", "quota", "files", "sessions", "since"]]
    rows += [
        [
            printable(account.name),
            account.role,
            "disabled" if account.disabled else "must change the password" if account.must_change else "enabled",
            _quota(account, found),
            _files(account, found),
            str(account.sessions),
            output.moment(account.created_ms * 1_000_000),
        ]
        for account in found.entries
    ]
    for line in output.table(rows):
        shell.result(line)
    return 0


def _quota(account: AccountEntry, found: Accounts) -> str:
    return _limit(account.quota_bytes, found.default_quota_bytes, output.size)


def _files(account: AccountEntry, found: Accounts) -> str:
    return _limit(account.quota_files, found.default_quota_files, output.exact)


def _limit(own: int | None, default: int, show: Callable[[int], str]) -> str:
    limit = default if own is None else own
    shown = show(limit) if limit else "no limit"
    return f"{shown} (as all)" if own is None else shown


def account_json(account: AccountEntry) -> dict[str, object]:
    """An account for programs. Of the quotas, null is as the server allows everybody, and 0 no limit."""
    return {
        "user": account.name,
        "id": account.id,
        "role": account.role,
        "disabled": account.disabled,
        "must_change": account.must_change,
        "created": iso(account.created_ms),
        "quota_bytes": account.quota_bytes,
        "quota_files": account.quota_files,
        "sessions": account.sessions,
    }


def _changed(shell: Shell, account: AccountEntry, sentence: str, *, as_json: bool, generated: str | None = None) -> int:
    if as_json:
        extra: dict[str, object] = {} if generated is None else {"password": generated}
        shell.result(output.json_line({**account_json(account), **extra}))
    elif generated is not None:
        shell.result(generated)
    shell.note(sentence)
    return 0


def _add(admin: Administration, shell: Shell, options: AdminAddOptions) -> int:
    secret = _first_password(admin, shell, options)
    account = admin.add(options.name, secret, options.role, options.quota, options.files)
    said = f"Made {account.name} ({account.role}); at the first sign-in it has to choose another password."
    return _changed(shell, account, said, as_json=options.json, generated=secret if options.generate else None)


def _reset(admin: Administration, shell: Shell, options: AdminResetOptions) -> int:
    admin.account(options.name)  # before anybody thinks of a password for nobody
    secret = _first_password(admin, shell, options)
    account = admin.reset_password(options.name, secret)
    said = f"{account.name} has another password, and has to change it at the next sign-in; its sessions have ended."
    return _changed(shell, account, said, as_json=options.json, generated=secret if options.generate else None)


def _first_password(admin: Administration, shell: Shell, options: AdminAddOptions | AdminResetOptions) -> str:
    """A password for the account: generated, from a file, or typed twice. Raises: PasswordRefused, EOFError."""
    if options.generate:
        return admin.generate_password(options.name)
    if options.new_password_file is not None:
        return password.from_file(shell, options.new_password_file)
    if not shell.can_ask:
        raise LoginRequired("There is no terminal to ask for the password; give --new-password-file or --generate.")
    while True:
        typed = shell.ask_secret(f"First password of {options.name}: ")
        try:
            admin.check_password(options.name, typed)
        except PasswordRefused as refused:
            shell.error(refused)
            continue
        if shell.ask_secret("Once more: ") == typed:
            return typed
        shell.warn("The two are not the same; nothing was changed yet.")


def _remove(admin: Administration, shell: Shell, options: AdminRemoveOptions) -> int:
    account = admin.account(options.name)
    if not options.yes:
        question = f"Remove {account.name}? A new account of that name will not get its files."
        if not shell.can_ask:
            raise LoginRequired("There is no terminal to ask for a confirmation; give --yes.")
        if not shell.confirm(question):
            shell.note("Nothing was removed.")
            return 1
    admin.remove(account.name)
    shell.note(f"Removed {account.name}; its files stay in {account.id} in the server's storage.")
    return 0


# ── sessions, penalties, audit log ──────────────────────────────────────────────────────────────────────────────


def _logout(admin: Administration, shell: Shell, options: AdminLogoutOptions) -> int:
    wanted = None if options.session is None else named(admin.sessions(options.name), options.session).id
    ended = admin.end_sessions(options.name, wanted)
    shell.note(f"Ended {counted(ended, 'session')} of {options.name}.")
    return 0


def _penalties(admin: Administration, shell: Shell, options: AdminPenaltiesOptions) -> int:
    reply = admin.penalties()
    if options.json:
        for penalty in reply.penalties:
            shell.result(output.json_line(penalty_json(penalty)))
        return 0
    if not reply.penalties:
        shell.note("Nobody has signed in wrongly of late.")
        return 0
    rows = [["of", "name", "wrong sign-ins", "last", "has to wait"]]
    rows += [
        [
            penalty.kind,
            printable(penalty.name),
            str(penalty.failures),
            output.moment(penalty.last_ms * 1_000_000),
            output.duration(penalty.wait_s) if penalty.wait_s else "",
        ]
        for penalty in reply.penalties
    ]
    for line in output.table(rows):
        shell.result(line)
    if reply.total > len(reply.penalties):
        shell.note(f"… and {output.exact(reply.total - len(reply.penalties))} more.")
    return 0


def penalty_json(penalty: PenaltyEntry) -> dict[str, object]:
    """A penalty for programs."""
    return {
        "kind": penalty.kind,
        "name": penalty.name,
        "failures": penalty.failures,
        "wait_s": penalty.wait_s,
        "last": iso(penalty.last_ms),
    }


def _audit(admin: Administration, shell: Shell, options: AdminAuditOptions) -> int:
    for line in admin.audit_lines(options.lines):
        shell.result(line if options.json else audit_line(line))
    return 0


def audit_line(line: str) -> str:
    """A line of the audit log for people: time, event, and the rest as name=value; what binds it is left out."""
    try:
        entry = json.loads(line)
    except ValueError:
        return line
    if not isinstance(entry, dict):
        return line
    for name in ("seq", "prev", "mac"):
        entry.pop(name, None)
    time, event = entry.pop("time", ""), entry.pop("event", "")
    return "  ".join([str(time), str(event), *(f"{name}={value}" for name, value in entry.items())])
