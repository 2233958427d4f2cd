"""Outages and their effect on each program: `python -m bench.outages [SECONDS ...]`. Table: docs/decisions/retry.md.

A real server, and the real programs behind a relay of their own that is told, in the middle of their work, to cut
everything and let nobody in (`cut`: as a server that was killed), or to hold all back (`silent`: as a network that
loses everything). All outages run at the same time, so it takes as long as the longest.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from sfos.client.address import Address
from sfos.client.net.trust import ACCEPT_NEW, Trust, TrustStore
from sfos.client.session.session import Session
from sfos.protocol import SfosError
from tests.client.cutting_relay import CuttingRelay
from tests.support.server_process import CHECKOUT, ServerProcess, environment, prepare_home, running_server

OUTAGES_S = (1.0, 10.0, 40.0, 600.0)
FILE_BYTES = 12_000_000
RATE = "2000000"
UNDER_WAY_BYTES = 3_000_000
PATIENCE_S = 120.0  # after the outage's end, for a program that has not ended yet


class Program:
    """A command under way, and what came of it."""

    def __init__(self, server: ServerProcess, relay: CuttingRelay, place: Path, *words: str) -> None:
        extra: Mapping[str, str] = {
            "SFOS_PASSWORD": "user123",
            "SFOS_CLIENT_UPLOAD_LIMIT_BYTES_S": RATE,
            "SFOS_CLIENT_DOWNLOAD_LIMIT_BYTES_S": RATE,
            "HOME": str(place),
            "XDG_RUNTIME_DIR": str(place / "run"),
        }
        place.mkdir()
        (place / "run").mkdir(mode=0o700)
        self._output = (place / "output.txt").open("w+")
        self.process = subprocess.Popen(
            [
                sys.executable,
                "cli_client.py",
                "--server",
                str(relay.address),
                "--user",
                "user1",
                "--accept-new-key",
                *words,
            ],
            cwd=CHECKOUT,
            env=environment(server.home, extra),
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )

    def ended(self, began: float, timeout_s: float) -> str:
        """Its exit code and when it ended, in seconds since `began`."""
        try:
            code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.terminate()
            self.process.wait()
            return f"still running; {self._last_line()}"
        return f"exit {code} after {time.monotonic() - began:.1f} s; {self._last_line()}"

    def _last_line(self) -> str:
        self._output.seek(0)
        return (self._output.read().strip().splitlines() or ["(says nothing)"])[-1][:140]


def until(condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
    """Wait for it."""
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.02)


class Outage:
    """One outage, for one kind of program at a time: each on a relay of its own."""

    def __init__(self, server: ServerProcess, place: Path, how: str, seconds: float) -> None:
        self._server, self._place, self._how, self.seconds = server, place, how, seconds
        self._target = Address.parse(server.address)
        place.mkdir()

    def run(self, kind: str) -> str:
        """Carry out one outage; a sentence on what came of it."""
        with CuttingRelay(self._target) as relay:
            outcome: str = getattr(self, f"_{kind}")(relay, self._place / kind)
            return outcome

    def _begin(self, relay: CuttingRelay) -> float:
        if self._how == "cut":
            relay.refusing = True
            relay.cut_all()
        else:
            relay.speaking.clear()

        def end() -> None:
            relay.refusing = False
            relay.speaking.set()

        timer = threading.Timer(self.seconds, end)
        timer.daemon = True
        timer.start()
        return time.monotonic()

    def _started(self, relay: CuttingRelay, place: Path) -> str:
        """A short command that begins in the outage."""
        began = self._begin(relay)
        return Program(self._server, relay, place, "ls", "/").ended(began, self.seconds + PATIENCE_S)

    def _command(self, relay: CuttingRelay, place: Path) -> str:
        """A command of a session that was there before: a program's, or the window's."""
        place.mkdir()
        trust = Trust(TrustStore(place / "pins.json"), ACCEPT_NEW)
        with Session.sign_in(relay.address, "user1", "user123", trust) as session:
            began = self._begin(relay)
            try:
                session.api.usage()
            except SfosError as error:
                return f"{type(error).__name__} after {time.monotonic() - began:.1f} s"
            return f"answered after {time.monotonic() - began:.1f} s"

    def _put(self, relay: CuttingRelay, place: Path) -> str:
        local = self._place / "file.bin"
        local.write_bytes(os.urandom(FILE_BYTES))
        program = Program(self._server, relay, place, "put", str(local), f"/{self._how}-{self.seconds:g}.bin")
        until(lambda: relay.passed["up"] > UNDER_WAY_BYTES)
        return program.ended(self._begin(relay), self.seconds + PATIENCE_S)

    def _get(self, relay: CuttingRelay, place: Path) -> str:
        program = Program(self._server, relay, place, "get", "/source.bin", str(self._place / "got.bin"))
        until(lambda: relay.passed["down"] > UNDER_WAY_BYTES)
        return program.ended(self._begin(relay), self.seconds + PATIENCE_S)

    def _watch(self, relay: CuttingRelay, place: Path) -> str:
        program = Program(self._server, relay, place, "watch", "--count", "1", f"/{self._how}-{self.seconds:g}-watched")
        output = place / "output.txt"
        until(lambda: "Watching" in output.read_text())
        began = self._begin(relay)
        time.sleep(self.seconds / 2)
        made = self._server.cli("mkdir", f"/{self._how}-{self.seconds:g}-watched")
        assert made.returncode == 0, made.stderr
        return program.ended(began, self.seconds + PATIENCE_S)


def main() -> None:
    """Run all, and print a line for each."""
    outages_s = [float(word) for word in sys.argv[1:]] or list(OUTAGES_S)
    with tempfile.TemporaryDirectory() as directory:
        home = prepare_home(Path(directory, "home"))
        with running_server(home) as server:
            source = Path(directory, "source.bin")
            source.write_bytes(os.urandom(FILE_BYTES))
            assert server.cli("put", str(source), "/source.bin").returncode == 0
            threads = []
            for how in ("cut", "silent"):
                for seconds in outages_s:
                    outage = Outage(server, Path(directory, f"{how}-{seconds:g}"), how, seconds)
                    for kind in ("started", "command", "put", "get", "watch"):

                        def work(outage: Outage = outage, how: str = how, kind: str = kind) -> None:
                            print(f"{how:6} {outage.seconds:5g} s  {kind:8} {outage.run(kind)}", flush=True)

                        threads.append(threading.Thread(target=work))
            for thread in threads:
                thread.start()
                time.sleep(0.5)  # sign-ins one after the other
            for thread in threads:
                thread.join()


if __name__ == "__main__":
    main()
