"""Running server: the doors that are built on a home (`server.home`), opened here and closed in the reverse order."""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import threading
import time
from functools import partial

from sfos.config import Config
from sfos.server.audit.chain import KeyUnusable
from sfos.server.commands.calls import Services
from sfos.server.commands.dispatch import Dispatcher
from sfos.server.commands.handlers import HANDLERS
from sfos.server.disk.reserve import through_reserve
from sfos.server.disk.storage_faults import StorageFault
from sfos.server.front.connection import ServerSurroundings
from sfos.server.front.gate import Caps, Gate
from sfos.server.front.line_budget import LineBudget
from sfos.server.front.listener import CannotListen, Listener, joined, open_sockets
from sfos.server.front.watchdog import Watchdog
from sfos.server.home import open_home
from sfos.server.identity.credential_file import CredentialError
from sfos.server.maintenance.upkeep import Upkeep, chores_of
from sfos.server.net.bell import Bell
from sfos.server.net.memory_budget import MemoryBudget
from sfos.server.net.request_bodies import RequestBodies
from sfos.server.net.stream import Pace
from sfos.server.net.tls import CertificateUnusable
from sfos.server.preflight import AccountsUnfit, descriptors_wanted
from sfos.server.process import memory
from sfos.server.process.bookkeeping import Bookkeeper
from sfos.server.process.home_lock import SECRETS, HomeTaken
from sfos.server.process.turns import LongTurns
from sfos.server.spaces.known_spaces import KNOWN_FILE

_log = logging.getLogger(__name__)

# How often the accounts and the sessions' times are looked at: so soon a disabled account is out.
_SWEEP_S = 1.0
# How often the end of the audit log is marked and the penalties are saved: lines cut off within so long are not
# missed, and a server that is killed forgets the wrong sign-ins of so long. A renewed certificate is seen then as well.
_KEEP_S = 2.0


# Two for each of two cores: what one of them waits for in the kernel, another can work in.
_LEAST_LONG_TURNS = 4

_HINDRANCES = (HomeTaken, CertificateUnusable, CannotListen, StorageFault, CredentialError, AccountsUnfit, KeyUnusable)


class CannotStart(Exception):
    """The server cannot start; the message is one line that says what to do."""


class Server:
    """A server in this process. It answers from `start` to `stop`; every server made has to be stopped, once."""

    def __init__(self, config: Config) -> None:
        """Take the home's lock and open everything but the doors.

        Raises: CannotStart. Then nothing is left open.
        """
        with contextlib.ExitStack() as opened:
            try:
                self._build(config, opened)
            except _HINDRANCES as error:
                raise CannotStart(str(error)) from error
            except OSError as error:
                where = f"{error.filename}: " if error.filename else ""
                raise CannotStart(f"{where}{error.strerror or error}") from error
            except UnicodeDecodeError as error:  # of the one text that is read here as it is
                spaces = config.server.credentials_file.parent / KNOWN_FILE
                raise CannotStart(f"{spaces} is damaged; restore it, or put an id a line into it") from error
            self._opened = opened.pop_all()

    def _build(self, config: Config, opened: contextlib.ExitStack) -> None:
        settings = config.server
        config.home.mkdir(parents=True, exist_ok=True)
        _raise_descriptor_limit(config)
        memory.set_up()
        home = self._home = open_home(config)
        opened.callback(home.close)
        self._stop_bell = opened.enter_context(contextlib.closing(Bell()))
        self._stopping = threading.Event()
        self._audit, self._identity = home.audit, home.identity
        half = settings.memory_budget_bytes // 2
        self._services = Services(
            security=config.security,
            storage=config.storage,
            accounts=home.accounts,
            sessions=home.sessions,
            penalties=home.penalties,
            spaces=home.spaces,
            commit_feed=home.commit_feed,
            outgoing=MemoryBudget(half),
            long_turns=LongTurns(max(_LEAST_LONG_TURNS, os.cpu_count() or 1)),
            audit=home.audit,
        )
        self._bodies = RequestBodies()
        around = ServerSurroundings(
            dispatcher=Dispatcher(self._services, HANDLERS, settings.handler_slots, settings.stall_timeout_s),
            sessions=home.sessions,
            audit=home.audit,
            lines=LineBudget(),
            incoming=MemoryBudget(half),
            bodies=self._bodies,
            stop=self._stop_bell,
            stopping=self._stopping.is_set,
            handshake_timeout_s=settings.handshake_timeout_s,
            login_timeout_s=settings.login_timeout_s,
            stall_timeout_s=settings.stall_timeout_s,
        )
        caps = Caps(settings.max_connections, settings.max_connections_per_address, settings.max_unauthenticated)
        self._listener = Listener(
            open_sockets(settings.host, settings.port, settings.listen_backlog),
            self._identity.context,
            Gate(caps, home.penalties.is_home),
            Pace(settings.stall_timeout_s, settings.min_rate_bytes_s),
            around,
            self._audit,
            settings.socket_buffer_bytes,
        )
        self._watchdog = Watchdog(self._listener.connections, self._sweep, self._give_back)
        reserve = home.reserve.beside(config.home / SECRETS)
        save_penalties = partial(through_reserve, reserve, home.penalty_file.save)
        chores = (home.audit.mark, save_penalties, home.identity.look, home.reserve.prepare)
        self._bookkeeper = Bookkeeper(chores, _KEEP_S)
        self._upkeep = Upkeep(home.spaces, chores_of(config.storage, self._stopping.is_set), self._stopping)
        self._swept = 0.0
        self._accounts_fault = ""
        self._grace_s = settings.stop_grace_s

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that it listens on; with port 0 in the settings, the one it got."""
        return self._listener.address

    @property
    def services(self) -> Services:
        """Parts that the server works with, for tests and for whoever looks on."""
        return self._services

    def reload_certificate(self) -> bool:
        """Use the certificate and key as their files are now. Whether they are good; else the ones in use stay."""
        return self._identity.reload()

    def connections(self) -> int:
        """Number of open connections now."""
        return len(self._listener.connections())

    def start(self) -> None:
        """Open the doors. Returns at once."""
        self._watchdog.start()
        self._bookkeeper.start()
        self._upkeep.start()
        self._listener.start()
        _log.info("listening on %s", joined(*self.address))
        self._audit.write("server_started", address=joined(*self.address))

    def stop(self, hurry: threading.Event | None = None) -> int:
        """Close the doors, let running commands finish, and let go of everything. How many commands run on regardless.

        If any does, everything stays open and the home locked, for its thread may still write: then the process has
        to end. That loses nothing acknowledged, for that is durable; what is under way is rolled back at the next
        start. Blocks for `stop_grace_s` at most and a little; less once `hurry` is set.
        """
        _log.info("stopping")
        self._stopping.set()
        self._stop_bell.ring()
        cut, running = self._listener.stop(self._grace_s, hurry or threading.Event())
        if not self._upkeep.join(self._grace_s):
            running += 1  # it may be writing, as a command that does not end
        self._watchdog.stop()
        self._bookkeeper.stop()
        try:
            self._home.penalty_file.save()
        except OSError as error:
            _log.error("the wrong sign-ins of the last seconds cannot be kept: %s", error)
        self._audit.write("server_stopped", cut_off=cut)
        if running:
            _log.error("%d command(s) did not end within %g s and are cut off", running, self._grace_s)
            self._mark_audit()
        else:
            self._opened.close()
            _log.info("stopped; %d connection(s) had to be cut off", cut)
        return running

    def _mark_audit(self) -> None:
        try:
            self._audit.mark()
        except OSError as error:
            _log.error("the end of the audit log cannot be marked: %s", error)

    def _sweep(self) -> None:
        """The watchdog's chore: end what is overdue, and what its account no longer allows."""
        now = time.monotonic()
        if now - self._swept < _SWEEP_S:
            return
        self._swept = now
        try:
            self._home.sessions.sweep(self._home.accounts.find_id)
        except (CredentialError, OSError) as error:
            # Who is in stays in until the file can be read again; saying so once a second would bury all else.
            if self._accounts_fault != str(error):
                _log.error("the accounts cannot be read: %s", error)
            self._accounts_fault = str(error)
        else:
            self._accounts_fault = ""

    def _give_back(self) -> None:
        """The watchdog's, when a crowd has gone."""
        self._bodies.forget()
        self._home.spaces.forget_pages()
        memory.give_back()  # last: it returns what the others let go of


def _raise_descriptor_limit(config: Config) -> None:
    """Most systems give a program 1,024 open files unless it asks for more."""
    wanted = descriptors_wanted(config)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    possible = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < possible:
        resource.setrlimit(resource.RLIMIT_NOFILE, (possible, hard))
    if possible < wanted:
        _log.warning(
            "the system allows %d open files, and %d connections may need %d; raise the limit (ulimit -Hn)",
            possible,
            config.server.max_connections,
            wanted,
        )
