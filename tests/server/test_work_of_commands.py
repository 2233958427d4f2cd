"""The rule on work (docs/security.md), held for all commands at the most that each allows: a constant plus a rate times
what it changes or returns, and the same however full the space is. Counted, not timed (tests/storage/work.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sfos.protocol import (
    COMMANDS,
    AddAccountRequest,
    AttachRequest,
    ChangeAccountRequest,
    ChangePasswordRequest,
    DeleteRequest,
    EndAnySessionsRequest,
    EndSessionsRequest,
    Frame,
    HelloRequest,
    LiftPenaltiesRequest,
    LoginFinishRequest,
    LoginStartRequest,
    LogoutRequest,
    MoveRequest,
    RemoveAccountRequest,
    Request,
    encode_request,
)
from sfos.server.catalog.states import EndedAs
from sfos.server.commands.calls import Peer
from sfos.server.commands.dispatch import Dispatcher, Response
from sfos.server.commands.handlers import HANDLERS
from tests.server.conftest import Running, Serve
from tests.storage.crowded import add_live, add_past, add_pending_chunks, state_of, tree
from tests.storage.work import Meter, Work
from tests.support.heaviest import HEAVIEST, Scene
from tests.support.sample_messages import REQUESTS

# Steps of SQLite and calls of functions. The constants hold what comes with the request: ids, or the names of paths, of
# which a delete may have a quarter of a million. All of it is well below a second.
MOST_STEPS, MOST_CALLS = 1_000_000, 2_500_000
STEPS_EACH, CALLS_EACH = 150, 90
OTHERS = 20_000  # rows of each kind that the request is not about; to read one takes some three steps

# About one account or session, in a message of some hundred bytes, and about no space.
SMALL: set[type[Request[Any]]] = {
    HelloRequest,
    LoginStartRequest,
    LoginFinishRequest,
    AttachRequest,
    LogoutRequest,
    ChangePasswordRequest,
    EndSessionsRequest,
    AddAccountRequest,
    ChangeAccountRequest,
    RemoveAccountRequest,
    EndAnySessionsRequest,
    LiftPenaltiesRequest,
}


# They take away what they are about; see tests/storage/test_work.py.
ONCE = (MoveRequest, DeleteRequest)


class Anywhere:
    """A Place of which there are enough."""

    def sign_in(self, user: str, *, privileged: bool) -> None:
        raise AssertionError(user)


class Nobody:
    """A connection that is not there."""

    def interrupt(self, reason: str) -> None:
        raise AssertionError(reason)


class Counter:
    """Requests of an administrator, answered in this thread, and their work."""

    def __init__(self, running: Running, meter: Meter) -> None:
        services = running.server.services
        account = running.accounts.find("root")
        assert account is not None
        with services.spaces.lease(account.user_id) as space:
            info = space.info()
        self.running, self.meter, self.space_id = running, meter, account.user_id
        self.dispatcher = Dispatcher(services, HANDLERS, 2, 5.0)
        self.peer = Peer(1, "127.0.0.1:1", "127.0.0.1", Nobody(), Anywhere(), greeted=True)
        self.peer.session = services.sessions.open(account)
        self.scene = Scene(info.chunk_key, info.cursor)
        self.scene.build(self.answer)
        with services.spaces.inspect(self.space_id) as context, context.catalog.read() as tx:
            ((self.scene.node,),) = tx.execute("SELECT node FROM nodes WHERE content = ?", self.scene.content)

    def answer(self, request: Request[Any], body: bytes) -> Response:
        """The response, which is no error."""
        with self.dispatcher.room() as room:
            response = self.dispatcher.answer(self.peer, Frame(encode_request(1, request), memoryview(body)), room)
        assert response.error is None, response
        return response

    def work_of(self, kind: type[Request[Any]]) -> tuple[Work, int]:
        """The work of its heaviest request, and the units of that."""
        heavy = HEAVIEST[kind](self.scene)
        return self.meter.of(lambda: self.answer(heavy.request, heavy.body)), heavy.units

    def crowd(self) -> None:
        """Fill the space with what no request is about."""
        with self.running.server.services.spaces.inspect(self.space_id) as context:
            add_live(context, tree(context, 1_000_000, 20, OTHERS // 20))
            add_past(
                context,
                (
                    (state_of(context, 2_000_000 + at, 1, f"gone {at}"), 2, EndedAs.DELETED_WITH_PARENT)
                    for at in range(OTHERS)
                ),
            )
            add_pending_chunks(context, OTHERS)


@pytest.fixture
def new_counter(monkeypatch: pytest.MonkeyPatch, serve: Serve) -> Iterator[Callable[[], Counter]]:
    meter = Meter(monkeypatch, grain=5_000)
    yield lambda: Counter(serve(), meter)


def test_each_command_is_here() -> None:
    assert HEAVIEST.keys() | SMALL == set(COMMANDS)
    assert not HEAVIEST.keys() & SMALL
    for kind in SMALL:
        assert len(encode_request(1, REQUESTS[kind].message)) < 400  # type: ignore[arg-type]
        assert not COMMANDS[kind].space_in and not COMMANDS[kind].request_body


@pytest.mark.timeout(400)
def test_no_command_works_more_than_for_what_it_changes_and_returns_however_full_the_space_is(
    new_counter: Callable[[], Counter],
) -> None:
    counter = new_counter()
    alone = {kind: counter.work_of(kind)[0] for kind in HEAVIEST if kind not in ONCE}
    counter.crowd()
    for kind in sorted(HEAVIEST, key=lambda kind: COMMANDS[kind].changes):
        work, units = counter.work_of(kind)
        name = COMMANDS[kind].name
        assert work.steps <= MOST_STEPS + STEPS_EACH * units, (name, work, units)
        assert work.calls <= MOST_CALLS + CALLS_EACH * units, (name, work, units)
        if kind in alone:
            assert work.steps <= 1.2 * alone[kind].steps + 50_000, (name, work, alone[kind])
