"""A server process that is killed and stopped again and again while clients write to it."""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sfos import config
from sfos.client.address import Address
from sfos.client.session.session import Session
from sfos.protocol import SfosError
from sfos.server.home import open_spaces
from sfos.server.maintenance.verify import verify_space
from tests.support.server_process import prepare_home, running_server
from tests.torture.network_process import wait_until
from tests.torture.processes_writers import Gate, Writer, commits_so_far, sign_in
from tests.torture.scenario import Context, Figures, Scenario

WRITERS = 8
_WORK_S = 60.0  # by when eight writers have made a few changes, however busy the machine
_PARKED_S = 120.0
_SETTINGS = {
    "SFOS_LOGGING_LEVEL": "WARNING",
    # Eight writers and a reader begin a session after each restart; none of them is too many.
    "SFOS_SECURITY_MAX_SESSIONS_PER_USER": "1000",
}


def kill_under_load(context: Context) -> Figures:
    """SIGKILL at random moments."""
    return _under_load(context, (signal.SIGKILL,))


def restart_under_load(context: Context) -> Figures:
    """SIGTERM and SIGKILL by turns."""
    return _under_load(context, (signal.SIGTERM, signal.SIGKILL))


def _under_load(context: Context, signals: tuple[signal.Signals, ...]) -> Figures:
    home = prepare_home(context.workplace / "home")
    with writing(context, home) as load:
        for which in _rounds(context, signals):
            with running_server(home, _SETTINGS, port=load.port) as server:  # stopped by SIGTERM in the end
                _compare(context, load)
                _let_them_work(context.random, load)
                if (ended := server.process.poll()) is not None:
                    context.broken(f"the server ended by itself, with {ended}")
                if which is signal.SIGKILL:
                    server.process.kill()
                    server.process.wait()
            for finding in verify(home):
                context.broken(f"after {which.name}: {finding}")
            context.count("kills" if which is signal.SIGKILL else "stops")
            context.count("restarts")
        with running_server(home, _SETTINGS, port=load.port):
            _compare(context, load)
            load.end()
    context.count("changes", load.acknowledged)
    return context.figures()


def _rounds(context: Context, signals: tuple[signal.Signals, ...]) -> Iterator[signal.Signals]:
    number = 0
    while context.going():
        yield signals[number % len(signals)]
        number += 1


@dataclass(frozen=True)
class Load:
    """The clients of a server that comes and goes on one port."""

    port: int
    writers: list[Writer]
    gate: Gate
    reader: Session
    commits_before: int

    @property
    def acknowledged(self) -> int:
        """How many changes the server has said to be done."""
        return sum(writer.acknowledged for writer in self.writers)

    def end(self) -> None:
        """Return when no writer runs any more; what they have begun they end, for which the server has to run."""
        self.gate.end()
        for writer in self.writers:
            writer.thread.join()

    def give_up(self) -> None:
        """Return when no writer runs any more, without a server: what they have begun fails, and they do not go on
        trying."""
        self.gate.end()
        for writer in self.writers:
            writer.give_up()
        self.end()


@contextmanager
def writing(context: Context, home: Path) -> Iterator[Load]:
    """Eight writers that have signed in and now wait for a server, and somebody who reads."""
    gate = Gate(WRITERS)
    pins = context.workplace / "pins.json"
    with ExitStack() as sessions:
        with running_server(home, _SETTINGS) as server:
            address = Address.parse(server.address)
            reader, *owners = (sessions.enter_context(sign_in(address, pins)) for _ in range(1 + WRITERS))
            writers = [
                Writer(number, owner, gate, context.random.getrandbits(64)) for number, owner in enumerate(owners)
            ]
            load = Load(address.port, writers, gate, reader, commits_so_far(reader.api))
        for writer in writers:
            writer.thread.start()
        try:
            yield load
        finally:
            load.give_up()


def _let_them_work(chance: random.Random, load: Load) -> None:
    """Until some changes were made, and then for a moment that nothing is in step with."""
    goal = load.acknowledged + chance.randrange(1, 60)
    wait_until(lambda: load.acknowledged >= goal, _WORK_S)
    threading.Event().wait(chance.random() * 0.03)


def _compare(context: Context, load: Load) -> None:
    """Every acknowledged change is there, and once: nothing else is."""
    if not load.gate.shut(_PARKED_S):
        context.broken(f"a writer got no answer within {_PARKED_S:.0f} s of the restart")
        return
    try:
        for difference in _differences(load):
            context.broken(difference)
    except SfosError as error:
        context.broken(f"nobody can read after the restart: {error}")
    context.count("comparisons")
    load.gate.open()


def _differences(load: Load) -> Iterator[str]:
    for writer in load.writers:
        if writer.failure is not None:
            yield writer.failure
            return  # what it did last is not known
    for writer in load.writers:
        yield from writer.differences(load.reader.api)
    commits = commits_so_far(load.reader.api) - load.commits_before
    if commits != load.acknowledged:
        yield f"{load.acknowledged} changes were acknowledged, and there were {commits} commits"


def verify(home: Path) -> list[str]:
    """Findings of a full verification of every space, while no server runs."""
    settings = config.load({"storage.free_space_floor_bytes": "0"}, environ={}, home=home)
    found: list[str] = []
    registry = open_spaces(settings)
    try:
        for space in sorted(path.name for path in settings.server.storage_dir.iterdir() if (path / "keys").exists()):
            with registry.inspect(space) as inspected:
                found += [str(finding) for finding in verify_space(inspected, full=True).findings]
    finally:
        registry.close()
    return found


SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        name="processes-kill",
        promise="What 8 writing clients were told is done survives SIGKILL of the server, and is done once.",
        figure="200 kills",
        run=kill_under_load,
        goal={"kills": 200},
        share=3.0,
    ),
    Scenario(
        name="processes-restart",
        promise="Clients write on over SIGTERM and SIGKILL restarts, and lose nothing.",
        figure="100 restarts",
        run=restart_under_load,
        goal={"restarts": 100},
        share=2.0,
    ),
)
