"""Gate that limits connections: in all, from one address, and of peers who have not signed in.

Counted when a connection is accepted, before a handshake costs anything. Whoever is refused should hear why: the first
few get a handshake and a `server_busy`, which costs 1.5 ms each; a crowd gets a closed socket.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass

# Refusals that are spoken at the same moment, in all and to one address.
_SPOKEN = 16
_SPOKEN_PER_ADDRESS = 2


class Refused(Exception):
    """There is no room."""


@dataclass(frozen=True, slots=True)
class Caps:
    """The most connections at a time. One address may hold half of the unauthenticated ones, or one could bar all."""

    total: int
    per_address: int
    unauthenticated: int


class Slot:
    """Room for one connection, held until `leave`."""

    __slots__ = ("_gate", "_group", "_unauthenticated", "refusal")

    def __init__(self, gate: Gate, group: str, refusal: str | None) -> None:
        self._gate = gate
        self._group = group
        self._unauthenticated = True
        self.refusal = refusal
        """Reason why it is here only to be told that there is no room; None: it is welcome."""

    def authenticated(self) -> None:
        """Stop counting it as a stranger."""
        if self._unauthenticated and self.refusal is None:
            self._unauthenticated = False
            self._gate.recognise(self._group)

    def leave(self) -> None:
        self._gate.leave(self._group, self._unauthenticated, self.refusal is not None)


class Gate:
    """Counts. Thread-safe."""

    def __init__(self, caps: Caps) -> None:
        self._caps = caps
        self._lock = threading.Lock()
        self._total = 0
        self._of: Counter[str] = Counter()
        self._strangers = 0
        self._strangers_of: Counter[str] = Counter()
        self._spoken = 0
        self._spoken_of: Counter[str] = Counter()

    @property
    def total(self) -> int:
        """Connections that are welcome."""
        return self._total

    @property
    def unauthenticated(self) -> int:
        return self._strangers

    def enter(self, group: str) -> Slot:
        """A slot for a connection from `group` (see `address_group`), or one to be told why not. Raises: Refused."""
        with self._lock:
            reason = self._full(group)
            if reason is None:
                self._total += 1
                self._of[group] += 1
                self._strangers += 1
                self._strangers_of[group] += 1
            elif self._spoken < _SPOKEN and self._spoken_of[group] < _SPOKEN_PER_ADDRESS:
                self._spoken += 1
                self._spoken_of[group] += 1
            else:
                raise Refused(reason)
        return Slot(self, group, reason)

    def _full(self, group: str) -> str | None:
        if self._total >= self._caps.total:
            return "connections in all"
        if self._of[group] >= self._caps.per_address:
            return "connections from this address"
        if self._strangers >= self._caps.unauthenticated:
            return "connections that have not signed in"
        if self._strangers_of[group] >= max(1, self._caps.unauthenticated // 2):
            return "connections from this address that have not signed in"
        return None

    def recognise(self, group: str) -> None:
        """Count a slot as no stranger's; for slots only."""
        with self._lock:
            self._strangers -= 1
            _take(self._strangers_of, group)

    def leave(self, group: str, unauthenticated: bool, refused: bool) -> None:
        """Take a slot back; for slots only."""
        with self._lock:
            if refused:
                self._spoken -= 1
                _take(self._spoken_of, group)
                return
            self._total -= 1
            _take(self._of, group)
            if unauthenticated:
                self._strangers -= 1
                _take(self._strangers_of, group)


def _take(counter: Counter[str], group: str) -> None:
    counter[group] -= 1
    if not counter[group]:
        del counter[group]  # or every address that ever came would be kept
