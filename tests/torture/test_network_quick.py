"""A little of each scenario that goes through the network, at every change; `./run.sh torture` has the whole."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sfos.client.address import Address
from tests.support.server_process import ServerProcess, prepare_home, running_server
from tests.torture import network_heaviest
from tests.torture.fuzz_client import fuzz_replies
from tests.torture.fuzz_decoders import fuzz_frames, fuzz_logins, fuzz_names
from tests.torture.fuzz_server import fuzz_server
from tests.torture.fuzz_terminal import fuzz_terminal
from tests.torture.network_cuts import Cut, cut_sessions, every_cut, travel_everywhere
from tests.torture.network_model import two_clients
from tests.torture.network_process import address_of
from tests.torture.network_strangers import strangers
from tests.torture.processes import kill_under_load, writing
from tests.torture.processes_writers import sign_in
from tests.torture.scenario import Context, Figures

Run = Callable[[Context], Figures]
_TIME_S = 100.0  # far more than any of them takes, so that it is the goal that ends them
# Where a session of some 2.4 KB up and 4.2 KB down (see cut-server) is cut: in each of its messages, once or twice.
_SAMPLE = 12


def context(path: Path, seed: int = 1, **goal: int) -> Context:
    return Context(seed, _TIME_S, path, {name.replace("_", " "): count for name, count in goal.items()})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with running_server(prepare_home(tmp_path_factory.mktemp("cuts") / "home")) as server:
        yield server


def sample(up: int, down: int) -> list[Cut]:
    """Every so many bytes on both ways, by FIN and by RST in turn."""
    cuts = every_cut(up, down)
    return cuts[:: len(cuts) // (2 * _SAMPLE) | 1]


@pytest.mark.parametrize(
    ("run", "goal"),
    [
        (fuzz_frames, "frames"),
        (fuzz_logins, "sign-ins"),
        (fuzz_names, "names"),
        (fuzz_replies, "replies"),
        (fuzz_terminal, "outputs"),
    ],
)
def test_three_thousand_damaged_messages_get_typed_errors(run: Run, goal: str, tmp_path: Path) -> None:
    figures = run(Context(1, _TIME_S, tmp_path, {goal: 3_000}))
    assert not figures.broken
    assert figures.ending == "figure reached"


def test_a_session_that_is_cut_at_some_bytes_leaves_the_old_or_the_new(server: ServerProcess, tmp_path: Path) -> None:
    cutting = context(tmp_path)
    cut_sessions(cutting, address_of(server), sample(2_400, 4_200))
    figures = cutting.figures()
    assert not figures.broken
    assert figures.counts["cuts"] > _SAMPLE


def test_a_client_that_is_cut_at_some_bytes_goes_on_by_itself(server: ServerProcess, tmp_path: Path) -> None:
    travelling = context(tmp_path)
    with sign_in(Address.parse(server.address), tmp_path / "pins.json") as owner:
        travel_everywhere(travelling, owner, tmp_path / "pins.json", sample(1_800, 3_200))
    figures = travelling.figures()
    assert not figures.broken
    assert figures.counts["cuts"] > _SAMPLE


def test_a_running_server_answers_damaged_requests_or_ends_the_connection(tmp_path: Path) -> None:
    assert not fuzz_server(context(tmp_path, requests=300)).broken


@pytest.mark.timeout(300)
def test_no_crowd_of_strangers_keeps_an_administrator_or_a_user_out(tmp_path: Path) -> None:
    figures = strangers(Context(1, 240.0, tmp_path, {"sign-ins beside a crowd": 22}))
    assert not figures.broken
    assert figures.counts["crowds"] == 6
    assert figures.counts["held-up sign-ins that the log knows of"] > 20


def test_two_clients_of_one_account_see_what_the_model_says(tmp_path: Path) -> None:
    assert not two_clients(context(tmp_path, changes=150)).broken


def test_the_heaviest_request_of_each_command_is_answered_and_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network_heaviest, "ONE_WAITS_S", _TIME_S)  # how long is the torture's affair
    figures = network_heaviest.heaviest_of_each(context(tmp_path))
    assert not figures.broken
    assert figures.ending == "figure reached"


@pytest.mark.timeout(400)
def test_nothing_acknowledged_is_lost_in_ten_kills_of_a_server_under_eight_writers(tmp_path: Path) -> None:
    """Takes ten starts of a server: so many SECURITY's table asks for at every change."""
    figures = kill_under_load(Context(1, 300.0, tmp_path, {"kills": 10}))
    assert not figures.broken
    assert figures.counts["kills"] == 10


@pytest.mark.timeout(60)  # half of the time for which a writer goes on trying
def test_writers_whose_server_is_gone_are_not_waited_for_when_the_torture_is_told_to_stop(tmp_path: Path) -> None:
    home = prepare_home(tmp_path / "home")
    with pytest.raises(KeyboardInterrupt), writing(context(tmp_path), home) as load:
        with socket.create_server(("127.0.0.1", load.port)) as nobody:
            nobody.accept()[0].close()  # one of them at least is trying
        raise KeyboardInterrupt
    assert not any(writer.thread.is_alive() for writer in load.writers)
