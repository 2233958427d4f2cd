"""From options to a session: address, trust, a kept ticket or a password, and what has to be said on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import msgspec

from sfos.cli.front import remembering
from sfos.cli.front.foreseen import Question
from sfos.cli.front.options import ConnectionOptions
from sfos.cli.front.shell import PROGRAM, Shell
from sfos.client.address import Address
from sfos.client.errors import ChangedServerKey, LocalFileError, UnknownServerKey
from sfos.client.local import directories
from sfos.client.net.trust import ACCEPT_NEW, ASK, Trust, TrustPolicy, TrustStore
from sfos.client.options import ClientOptions
from sfos.client.session.session import Session
from sfos.client.session.tickets import TicketStore
from sfos.config import Client as Settings
from sfos.protocol import Fingerprint, LoginFailed, LoginRequired, SessionEnded, SessionRevoked


class WrongUsage(Exception):
    """The command line, as a whole, makes no sense; nothing was done."""


class Account(msgspec.Struct, frozen=True):
    """A user of a server."""

    address: Address
    user: str

    def __str__(self) -> str:
        return f"{self.user}@{self.address}"


class Entrance(msgspec.Struct, frozen=True):
    """All that is needed to get in: made once for a command."""

    shell: Shell
    settings: Settings
    environ: Mapping[str, str]
    options: ConnectionOptions
    account: Account
    trust: Trust
    tickets: TicketStore

    @contextmanager
    def session(self, *, ahead: int = 0, questions: Sequence[Question] = ()) -> Iterator[Session]:
        """The session kept from an earlier command, or a new one; it stays open on the server for the next command.

        `ahead`: how many connections besides its first will be needed; `questions`: what will be asked first.
        Raises: what Session raises; LoginRequired.
        """
        with self.kept_session(ahead=ahead, questions=questions) or self._new_session(ahead) as session:
            began_as = session.ticket.ticket_id
            try:
                yield session
            finally:
                if session.ticket.ticket_id != began_as:  # the server forgot it meanwhile, and it was renewed
                    self._keep_ticket(session)

    def _new_session(self, ahead: int) -> Session:
        session, _ = self.sign_in()
        session.connect_ahead(ahead)
        return session

    def kept_session(self, *, ahead: int = 0, questions: Sequence[Question] = ()) -> Session | None:
        """The session of the ticket at hand, if it is still good."""
        ticket = self.tickets.load(self.account.address, self.account.user)
        if ticket is None:
            return None
        if self.trust.trusted_key(self.account.address) != ticket.fingerprint:
            # The key was changed, and the person has said that this is right; or its pin was removed, to trust anew.
            # Either way only the password opens it now, and asks about a key that is not known.
            self.tickets.forget(self.account.address, self.account.user)
            return None
        try:
            options = ClientOptions.of(self.settings, "sfos command line")
            return Session.from_ticket(
                ticket,
                self.trust,
                options,
                reauthenticate=self._password_at_hand,
                ahead=ahead,
                questions=questions,
            )
        except (SessionEnded, LoginRequired, LoginFailed) as error:
            if isinstance(error, SessionRevoked):  # by a person: whoever is asked for the password wants to know
                self.shell.note(f"{self.account}: {error.message}")
            self.tickets.forget(self.account.address, self.account.user)
            return None

    def sign_in(self) -> tuple[Session, str]:
        """A new session, whose ticket is kept; and the password that was right."""
        from sfos.cli.front import password  # here and below: a kept session needs none

        failure: LoginFailed | None = None
        for tell, origin in password.candidates(
            self.shell, self.environ, self.options.password_file, self.account.user, self.account.address
        ):
            if failure is not None:
                self.shell.error(failure)
            secret = tell()
            try:
                session = self._sign_in_with(secret)
            except LoginFailed as error:
                failure = error
                if origin is password.Origin.KEYRING and self.shell.can_ask:
                    failure = LoginFailed("The password in the keyring is not right any more.")
                continue
            self._greet(session)
            return session, secret
        assert failure is not None, "there is always a password to try, or an error"
        raise failure

    def _sign_in_with(self, secret: str) -> Session:
        options = ClientOptions.of(self.settings, "sfos command line")
        address, user = self.account.address, self.account.user
        try:
            return Session.sign_in(address, user, secret, self.trust, options, reauthenticate=self._password_at_hand)
        except UnknownServerKey as unknown:
            if not self._accepts(unknown):
                raise
            self.trust.store.pin(address, unknown.fingerprint)
        return Session.sign_in(address, user, secret, self.trust, options, reauthenticate=self._password_at_hand)

    def _password_at_hand(self) -> str | None:
        """The password, if it can be had without a person: for a command that outlives its session. Any thread."""
        from sfos.cli.front import password
        from sfos.client.session import keyring_store

        file, account = self.options.password_file, self.account
        if file is not None:
            return None if file == password.STANDARD_INPUT else password.from_file(self.shell, file)
        if password.ENVIRONMENT_VARIABLE in self.environ:
            return self.environ[password.ENVIRONMENT_VARIABLE]
        return keyring_store.get(account.user, account.address)

    def _accepts(self, unknown: UnknownServerKey) -> bool:
        if not self.shell.can_ask:
            return False
        for line in unknown_key_lines(unknown, can_ask=True):
            self.shell.say(line)
        return self.shell.confirm("Is this your server?")

    def _greet(self, session: Session) -> None:
        self._keep_ticket(session)
        self._remember_first()
        for warning in session.warnings:
            self.shell.warn(warning.message)
        if session.info.must_change_password:
            self.shell.note(
                f"{PROGRAM}: {self.account.user}: This account still has its first password; "
                "the command “passwd” changes it."
            )

    def _keep_ticket(self, session: Session) -> None:
        try:
            self.tickets.save(session.ticket)
        except LocalFileError as error:
            self.shell.note(f"{PROGRAM}: The session cannot be kept for the next command. {error}")

    def _remember_first(self) -> None:
        """Let later commands that name no user mean this one, unless they mean somebody already: that, `login` alone
        changes, and not a command that was given as somebody else (`--user admin`)."""
        if str(self.account.address) not in remembering.remembered(self.settings).users:
            self.remember()

    def remember(self, *, as_default: bool = False, forget: bool = False) -> None:
        """Let later commands that name no user (and with `as_default`, no server) mean this account; or no longer."""
        before = remembering.remembered(self.settings)
        where, users = str(self.account.address), dict(before.users)
        server = where if as_default else before.server
        users[where] = self.account.user
        if forget:
            del users[where]
            server = None if before.server == where else before.server
        after = remembering.Remembered(server, users)
        if after != before:
            try:
                remembering.remember(self.settings, after)
            except LocalFileError as error:  # a convenience: the command itself goes on
                self.shell.detail(str(error))


def unknown_key_lines(unknown: UnknownServerKey, *, can_ask: bool) -> list[str]:
    """Text for a person who has to decide about a server that is seen for the first time."""
    lines = [
        f"The server {unknown.address} is not known yet. It proved that it knows your account. Its key's fingerprint:",
        *_fingerprint_lines(unknown.fingerprint),
        "Compare it with what the server's administrator sees.",
    ]
    if not can_ask:
        lines += [
            "There is no terminal to ask. If this is your server, say so with one of",
            f"    --pin {unknown.fingerprint.hex}",
            "    --accept-new-key       (trusts any server that is not known yet, never a changed one)",
        ]
    return lines


def changed_key_lines(changed: ChangedServerKey) -> list[str]:
    """Text for a person whose server shows another key than the trusted one."""
    since = f", trusted since {changed.pinned_since:%Y-%m-%d}" if changed.pinned_since else ", given with --pin"
    return [
        f"The key that is trusted{since}:",
        *_fingerprint_lines(changed.pinned),
        "The key that the server shows now:",
        *_fingerprint_lines(changed.seen),
        "Stop here, unless its administrator confirms that the key was changed on purpose. Then:",
        f"    --pin {changed.seen.hex}",
    ]


def _fingerprint_lines(fingerprint: Fingerprint) -> list[str]:
    groups = fingerprint.grouped.split(" ")
    half = len(groups) // 2
    return [f"    {' '.join(groups[:half])}", f"    {' '.join(groups[half:])}", f"    in words: {fingerprint.words}"]


def entrance(
    shell: Shell,
    settings: Settings,
    environ: Mapping[str, str],
    options: ConnectionOptions,
    server_here: Callable[[], str],
) -> Entrance:
    """The way in that the options describe. Asks for the user name if nothing tells it. Raises: WrongUsage.

    Where nobody says which server, it is that of the last `login`, or else the one that runs here (`server_here`).
    """
    before = remembering.remembered(settings)
    server = options.server or settings.server
    if options.server is None and settings.server == Settings().server:
        server = before.server or server_here() or server
    try:
        address = Address.parse(server)
        policy = _policy(options)
    except ValueError as error:
        raise WrongUsage(str(error)) from error
    user = options.user or settings.user or before.users.get(str(address), "")
    if not user:
        user = _ask_user(shell, address)
    trust = Trust(TrustStore(directories.pins_file(settings)), policy)
    return Entrance(shell, settings, environ, options, Account(address, user), trust, TicketStore())


def _policy(options: ConnectionOptions) -> TrustPolicy:
    if options.pin is not None:
        try:
            return TrustPolicy.exact(Fingerprint.parse(options.pin))
        except ValueError as error:
            raise ValueError(f"--pin: {error}") from error
    return ACCEPT_NEW if options.accept_new_key else ASK


def _ask_user(shell: Shell, address: Address) -> str:
    if shell.can_ask:
        try:
            user = shell.ask(f"User name at {address}: ")
        except EOFError:
            user = ""
        if user:
            return user
    raise WrongUsage(f"nobody is signed in at {address}: say as whom (--user NAME, or SFOS_CLIENT_USER), or run login")
