"""Turns of those who work long: a few at a time, each user in turn, a moment each.

Python runs one thread at a time. With a hundred that all have much to do, whoever has little waits for all of them: a
`stat` took seconds (measured). So no more than a few work at once; the others wait without asking for the interpreter.
The turn goes round by users, so that nobody gets more of it by asking more often. Who has had it for a moment while
others wait gives way (`give_way`), also in the middle of a long deletion; and who only waits for something lets others
work (`aside`).
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterator

_LOOK_WAITING_S = 1.0  # so often who waits for a turn looks whether anybody still waits for the answer


class _Holding(threading.local):
    turn: _Turn | None = None


class LongTurns:
    """As many turns as there are `slots`. Safe from several threads."""

    def __init__(self, slots: int) -> None:
        self._lock = threading.Lock()
        self._free = slots
        self._waiting: dict[str, deque[threading.Lock]] = {}  # by their users, in the order in which these come next

    @contextlib.contextmanager
    def turn(self, user: str, look: Callable[[], None]) -> Iterator[None]:
        """A turn of `user`, for the block. `look()` is called now and then while it is waited for. Raises: what that
        raises."""
        turn = _Turn(self, user)
        self.take(user, look)
        _here.turn = turn
        try:
            yield
        finally:
            _here.turn = None
            self.give_back()

    def is_wanted(self) -> bool:
        """Whether somebody waits for a turn."""
        return bool(self._waiting)

    def take(self, user: str, look: Callable[[], None] | None = None) -> None:
        """Wait for a turn of that user; for turns only. Raises: what `look` raises."""
        with self._lock:
            if self._free:  # which nobody waits for
                self._free -= 1
                return
            mine = threading.Lock()
            mine.acquire()
            self._waiting.setdefault(user, deque()).append(mine)
        if look is None:
            mine.acquire()
            return
        while not mine.acquire(timeout=_LOOK_WAITING_S):
            try:
                look()
            except BaseException:
                self._leave(user, mine)
                raise

    def give_back(self) -> None:
        """Let the next user have a turn; for turns only."""
        with self._lock:
            if not self._waiting:
                self._free += 1
                return
            user = next(iter(self._waiting))
            own = self._waiting.pop(user)
            own.popleft().release()
            if own:
                self._waiting[user] = own  # behind all others

    def _leave(self, user: str, mine: threading.Lock) -> None:
        """Stop waiting."""
        with self._lock:
            own = self._waiting.get(user)
            if own is not None and mine in own:
                own.remove(mine)
                if not own:
                    del self._waiting[user]
                return
        self.give_back()  # it came just now


class _Turn:
    """The turn that a thread has."""

    __slots__ = ("turns", "user")

    def __init__(self, turns: LongTurns, user: str) -> None:
        self.turns = turns
        self.user = user


_here = _Holding()


def give_way() -> None:
    """Let others work, if any wait for a turn; return when it is this thread's again."""
    turn = _here.turn
    if turn is not None and turn.turns.is_wanted():
        turn.turns.give_back()
        turn.turns.take(turn.user)


@contextlib.contextmanager
def aside() -> Iterator[None]:
    """In the block this thread only waits: for a lock, for the disk."""
    turn, _here.turn = _here.turn, None
    if turn is None:
        yield
        return
    turn.turns.give_back()
    try:
        yield
    finally:
        turn.turns.take(turn.user)
        _here.turn = turn
