"""`passwd`: another password of one's own."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import msgspec

from sfos.cli.front import password
from sfos.cli.front.command import EntranceCommand, Subject
from sfos.cli.front.shell import Shell
from sfos.client.errors import LocalAccess
from sfos.client.session import keyring_store
from sfos.protocol import LoginFailed, LoginRequired, PasswordRefused, check_password

if TYPE_CHECKING:
    from sfos.cli.front.signing_in import Entrance
    from sfos.client.session.session import Session


class PasswordOptions(msgspec.Struct, frozen=True):
    """`passwd`."""

    new_password_file: str | None = None


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--new-password-file", metavar="FILE", help="read the new one from FILE; “-” is standard input")


def run(way_in: Entrance, options: PasswordOptions) -> int:
    """The exit code."""
    account, shell = way_in.account, way_in.shell
    if options.new_password_file is None and not shell.can_ask:
        raise LoginRequired("There is no terminal to ask for the passwords; give --new-password-file.")
    session, old = _session_and_password(way_in)
    with session:
        new = _new_password(session, shell, options)
        try:
            session.change_password(old, new)
        except LoginFailed as error:
            raise LoginFailed("The old password is not right.") from error
        try:
            way_in.tickets.save(session.ticket)
        except LocalAccess as error:
            shell.error(error)
    keyring_store.renew(account.user, account.address, new)
    shell.note(f"The password of {account} is changed; its other sessions have ended.")
    return 0


def _session_and_password(way_in: Entrance) -> tuple[Session, str]:
    """A session, and the password as it is now; asked for once, also where there is a session already."""
    session = way_in.kept_session()
    if session is None:
        return way_in.sign_in()
    try:
        tell, _ = next(
            password.candidates(
                way_in.shell,
                way_in.environ,
                way_in.options.password_file,
                way_in.account.user,
                way_in.account.address,
                question="Old password",
                keyring=False,
            )
        )
        return session, tell()
    except BaseException:
        session.close()
        raise


def _new_password(session: Session, shell: Shell, options: PasswordOptions) -> str:
    """A password that meets the requirements, typed twice. Raises: PasswordRefused with the reasons, EOFError."""
    if options.new_password_file is not None:
        new = password.from_file(shell, options.new_password_file)
        _check(session, new)
        return new
    return password.typed_twice(shell, f"New password of {session.user}: ", lambda new: _check(session, new))


def _check(session: Session, new: str) -> None:
    reasons = check_password(new, session.user, session.info.password_policy)
    if reasons:
        raise PasswordRefused(f"The new password will not do: {'; '.join(reasons)}.")


COMMAND = EntranceCommand(
    words="passwd",
    summary="change your password",
    subject=Subject.SESSIONS,
    options=PasswordOptions,
    arguments=_arguments,
    run=run,
)
