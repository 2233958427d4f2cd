"""`login`, `logout` and `passwd`: the session, and the password behind it."""

from __future__ import annotations

from sfos.cli.commands.sessions import named
from sfos.cli.front import password
from sfos.cli.front.options import LoginOptions, LogoutOptions, PasswordOptions
from sfos.cli.front.output import duration
from sfos.cli.front.shell import Shell
from sfos.cli.front.signing_in import Entrance
from sfos.client.errors import ConnectionFailed, LocalAccess
from sfos.client.session import keyring_store
from sfos.client.session.session import Session
from sfos.protocol import LoginFailed, LoginRequired, NotFound, PasswordRefused, check_password, counted


def run(way_in: Entrance, options: LoginOptions | LogoutOptions | PasswordOptions) -> int:
    """The exit code."""
    if isinstance(options, LoginOptions):
        return _login(way_in, options)
    if isinstance(options, LogoutOptions):
        return _logout(way_in, options)
    return _passwd(way_in, options)


def _login(way_in: Entrance, options: LoginOptions) -> int:
    """Sign in anew, whatever session there is: so the password is checked, and the session lasts its full time."""
    account, shell = way_in.account, way_in.shell
    session, secret = way_in.sign_in()
    with session:
        way_in.remember(as_default=True)
        idle = session.info.idle_timeout_s
        ends = f" The session ends after {duration(idle)} without a command." if idle else ""
        shell.note(
            f"Signed in as {account}; commands that name no server and user mean this account from now on.{ends}"
        )
    if options.remember and not keyring_store.put(account.user, account.address, secret):
        shell.warn("The password is not kept: this computer has no keyring, or it is locked.")
        return 1
    return 0


def _logout(way_in: Entrance, options: LogoutOptions) -> int:
    account, shell = way_in.account, way_in.shell
    code = 0
    if options.session is not None:
        return _end_one(way_in, options.session)
    if options.every:
        with way_in.session() as mine:
            ended = mine.api.end_sessions()
        shell.note(f"Ended {counted(ended, 'other session')} of {account}.")
    try:
        session = way_in.kept_session()
        if session is None:
            shell.note(f"There is no session of {account}.")
        else:
            session.logout()
            shell.note(f"Signed out: {account}.")
    except ConnectionFailed as error:
        # The ticket goes all the same; the session ends on the server by its idle timeout.
        code = shell.error(error)
    way_in.tickets.forget(account.address, account.user)
    way_in.remember(forget=True)
    if options.forget and keyring_store.forget(account.user, account.address):
        shell.note("The password is no longer in the keyring.")
    return code


def _end_one(way_in: Entrance, digits: str) -> int:
    with way_in.session() as session:
        entry = named(session.api.sessions(), digits)
        if entry.current:
            raise NotFound("This is the session of this computer; end it with: logout", subject=digits)
        session.api.end_sessions(entry.id)
    way_in.shell.note(f"Ended the session {entry.id[: max(8, len(digits))]} at {entry.address} ({entry.client}).")
    return 0


# ── passwd ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _passwd(way_in: Entrance, options: PasswordOptions) -> int:
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
    while True:
        new = shell.ask_secret(f"New password of {session.user}: ")
        try:
            _check(session, new)
        except PasswordRefused as refused:
            shell.error(refused)
            continue
        if shell.ask_secret("Once more: ") == new:
            return new
        shell.warn("The two are not the same; nothing was changed yet.")


def _check(session: Session, new: str) -> None:
    reasons = check_password(new, session.user, session.info.password_policy)
    if reasons:
        raise PasswordRefused(f"The new password will not do: {'; '.join(reasons)}.")
