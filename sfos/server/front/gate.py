"""Gate that shares the places for connections: in all, from one address, and of peers who have not signed in.

Counted when a connection is accepted, before a handshake costs anything. Those with the most give way first:

- Of those who have not signed in, silence gives way to newcomers: who has not sent a byte for a moment (where there is
  no room at all, at once), or is here for longer than a sign-in takes; first those of the address with the most of
  them. Who is signing in gives way only to an address that has fewer, or to one where somebody has signed in before.
  Nobody gives way to an address that has more.
- Where no place is left, an anteroom takes a few newcomers for as long as a sign-in takes. Once it is known who they
  are, the user with the most connections gives way to whoever has fewer, the one that idles longest first; for
  administrators there is a reserve. Everybody else is told that there is no room.

So strangers never take a place from somebody who has signed in; and nobody, before the password is right, sees whether
a name is an administrator's.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from sfos.protocol import ServerBusy

# Newcomers beyond the limits who may sign in, in all and from one address: 1.5 ms of work each. A crowd gets a closed
# socket.
_ANTEROOM = 16
_ANTEROOM_PER_ADDRESS = 2
# Connections of administrators beyond the limits, in all and of one of them: a session with its transfers.
_RESERVE = 16
_RESERVE_PER_USER = 8
# A client begins to speak at once; on a bad line its first bytes are there by then.
_SILENCE_S = 1.0
# Signing in takes three messages and 0.3 s of work, 2 s on a slow device, as much as this beside a crowd.
SIGN_IN_S = 8.0
# Connections that have given way and are not gone yet: a moment each, or until a reply under way is sent.
_MOST_LEAVING = 64
_AGAIN_S = 5.0

IN_ALL = "connections in all"
FROM_ADDRESS = "connections from this address"
NOT_SIGNED_IN = "connections that have not signed in"
FROM_ADDRESS_NOT_SIGNED_IN = "connections from this address that have not signed in"


class Refused(Exception):
    """There is no room."""


@dataclass(frozen=True, slots=True)
class Caps:
    """The most connections at a time. One address may hold half of the unauthenticated ones, or one could bar all."""

    total: int
    per_address: int
    unauthenticated: int


class Occupant(Protocol):
    """Connection, as far as its place is concerned."""

    @property
    def idle_since(self) -> float | None:
        """Monotonic time since when it waits for its peer; None while it is at work."""

    @property
    def heard(self) -> bool:
        """Whether its peer has sent anything at all."""

    def give_way(self) -> None:
        """End soon; from any thread."""


class Slot:
    """Place of one connection, held until `leave`."""

    __slots__ = ("_gate", "beyond", "gave_way", "group", "occupant", "opened", "spoken", "user")

    def __init__(self, gate: Gate, group: str, opened: float, beyond: bool) -> None:
        self._gate = gate
        self.group = group
        self.opened = opened
        self.beyond = beyond
        """In the anteroom or the reserve: it counts for no limit."""
        self.user: str | None = None
        self.spoken = False
        """Its peer has sent a whole message."""
        self.gave_way = False
        self.occupant: Occupant | None = None

    def sign_in(self, user: str, *, privileged: bool) -> None:
        """Count it as a connection of `user`. Raises: ServerBusy, where nobody gives way to this one."""
        self._gate.sign_in(self, user, privileged)

    def leave(self) -> None:
        self._gate.leave(self)


class Gate:
    """The places and who has them. Thread-safe."""

    def __init__(
        self,
        caps: Caps,
        is_home: Callable[[str], bool] = lambda _group: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`is_home(group)`: whether somebody has signed in from that address before."""
        self._caps = caps
        self._is_home = is_home
        self._clock = clock
        self._lock = threading.Lock()
        self._total = 0
        self._of: Counter[str] = Counter()  # by address, of those that count
        self._strangers: dict[Slot, None] = {}  # in the order in which they came, as in the anteroom
        self._strangers_of: Counter[str] = Counter()
        self._anteroom: dict[Slot, None] = {}
        self._members: dict[str, set[Slot]] = {}  # by user, with those in the reserve
        self._reserve: set[Slot] = set()
        self._leaving = 0
        self.displaced = 0
        """Connections that have given way so far."""
        self.refused = 0
        """Connections that were refused so far, before or after their sign-in."""

    @property
    def total(self) -> int:
        """Connections that count for the limits."""
        return self._total

    @property
    def unauthenticated(self) -> int:
        """Of these, those that have not signed in."""
        return len(self._strangers)

    @property
    def beyond(self) -> int:
        """Connections in the anteroom and in the reserve."""
        return len(self._anteroom) + len(self._reserve)

    @property
    def remembered(self) -> int:
        """How many addresses, users and departures it knows of; none once all have gone."""
        return len(self._of) + len(self._strangers_of) + len(self._members) + self._leaving

    # Coming

    def enter(self, group: str) -> Slot:
        """A place for a connection from `group` (see `address_group`). Raises: Refused."""
        with self._lock:
            now = self._clock()
            gone = self._one_for(group, now)
            if gone is not None:
                self._displace(gone)
            reason = self._full(group)  # one limit may be met where another gave way
            refused = reason is not None and not self._room_in_anteroom(group)
            if refused:
                self.refused += 1
            else:
                slot = Slot(self, group, now, beyond=reason is not None)
                self._place(slot)
        _send_away(gone)
        if refused:
            raise Refused(reason)
        return slot

    def _one_for(self, group: str, now: float) -> Slot | None:
        """Stranger that gives way to a newcomer from `group`; None where it needs nobody's place, or gets nobody's.

        Where the anteroom is full too, silence does that has only just come, the oldest first: a crowd that comes again
        as often as it is sent away would be newer than a moment, all of it, for ever.
        """
        reason = self._full(group)
        if reason is None:
            return None
        own = reason in (FROM_ADDRESS, FROM_ADDRESS_NOT_SIGNED_IN)
        found = self._giving_way(self._strangers, group, now, own=own)
        if found is None and not self._room_in_anteroom(group):
            found = self._giving_way(self._anteroom, group, now, own=self._guests(group) >= _ANTEROOM_PER_ADDRESS)
            if found is None:
                found = self._giving_way(self._strangers, group, now, own=own, silence_s=0.0)
        return found

    def _room_in_anteroom(self, group: str) -> bool:
        return len(self._anteroom) < _ANTEROOM and self._guests(group) < _ANTEROOM_PER_ADDRESS

    def _guests(self, group: str) -> int:
        return sum(slot.group == group for slot in self._anteroom)

    def _full(self, group: str) -> str | None:
        if self._total >= self._caps.total:
            return IN_ALL
        if self._of[group] >= self._caps.per_address:
            return FROM_ADDRESS
        if len(self._strangers) >= self._caps.unauthenticated:
            return NOT_SIGNED_IN
        if self._strangers_of[group] >= max(1, self._caps.unauthenticated // 2):
            return FROM_ADDRESS_NOT_SIGNED_IN
        return None

    def _giving_way(
        self, room: Collection[Slot], group: str, now: float, *, own: bool, silence_s: float = _SILENCE_S
    ) -> Slot | None:
        """Stranger in `room` that gives way to a newcomer from `group`; with `own` one of its own address."""
        if self._leaving >= _MOST_LEAVING:
            return None
        counts = Counter(slot.group for slot in room)
        at_home = self._is_home(group)
        best: tuple[tuple[bool, bool, int, float], Slot] | None = None
        for slot in room:
            if own and slot.group != group:
                continue
            more = counts[group] - counts[slot.group]
            if slot.group != group and more >= 0:
                continue
            age_s, known = now - slot.opened, self._is_home(slot.group)
            in_any_case = more < -1 or (at_home and not known)
            if not in_any_case and age_s < silence_s:
                continue
            signing_in = age_s < SIGN_IN_S and slot.occupant is not None and slot.occupant.heard
            key = (signing_in, known, -counts[slot.group], slot.opened)
            if (in_any_case or not signing_in) and (best is None or key < best[0]):
                best = key, slot
        return best[1] if best else None

    # Signing in

    def sign_in(self, slot: Slot, user: str, privileged: bool) -> None:
        """For slots only."""
        gone = None
        with self._lock:
            if slot.user is not None or slot.gave_way:
                return
            reserved = False
            if slot.beyond and (reason := self._no_place(slot.group)) is not None:
                gone = self._for_member(slot.group, user, reason)
                if gone is not None:
                    self._displace(gone)
                elif privileged and self._may_reserve(user):
                    reserved = True
                else:
                    self.refused += 1
                    raise ServerBusy(
                        f"The server has its limit of {reason}; try again shortly.", retry_after_s=_AGAIN_S
                    )
            self._take_back(slot)
            slot.user, slot.beyond = user, reserved
            self._place(slot)
        _send_away(gone)

    def _no_place(self, group: str) -> str | None:
        if self._total >= self._caps.total:
            return IN_ALL
        return FROM_ADDRESS if self._of[group] >= self._caps.per_address else None

    def _for_member(self, group: str, user: str, reason: str) -> Slot | None:
        """Connection that gives way to one of `user`, who has signed in: a silent stranger's, or one of whoever has
        the most."""
        own = reason == FROM_ADDRESS
        silent = self._giving_way(self._strangers, group, self._clock(), own=own)
        if silent is not None or self._leaving >= _MOST_LEAVING:
            return silent
        theirs = {
            name: found
            for name, slots in self._members.items()
            if (found := [one for one in slots if not one.beyond and (one.group == group or not own)])
        }
        most = max(theirs.values(), key=len, default=[])
        return min(most, key=_worth) if len(most) > len(theirs.get(user, ())) + 1 else None

    def _may_reserve(self, user: str) -> bool:
        theirs = sum(slot.user == user for slot in self._reserve)
        return len(self._reserve) < _RESERVE and theirs < _RESERVE_PER_USER

    # Leaving

    def leave(self, slot: Slot) -> None:
        """For slots only."""
        with self._lock:
            slot.occupant = None  # which knows this slot: the two would wait for a collection of garbage
            if slot.gave_way:
                self._leaving -= 1
                return
            self._take_back(slot)
            for waiting in self._reserve:
                if self._no_place(waiting.group) is None:
                    self._take_back(waiting)
                    waiting.beyond = False
                    self._place(waiting)
                    break

    def _displace(self, slot: Slot) -> None:
        self._take_back(slot)
        slot.gave_way = True
        self._leaving += 1
        self.displaced += 1

    # Counting

    def _place(self, slot: Slot) -> None:
        if slot.user is not None:
            self._members.setdefault(slot.user, set()).add(slot)
            if slot.beyond:
                self._reserve.add(slot)
        elif slot.beyond:
            self._anteroom[slot] = None
        else:
            self._strangers[slot] = None
            self._strangers_of[slot.group] += 1
        if not slot.beyond:
            self._total += 1
            self._of[slot.group] += 1

    def _take_back(self, slot: Slot) -> None:
        if slot.user is not None:
            theirs = self._members[slot.user]
            theirs.discard(slot)
            if not theirs:
                del self._members[slot.user]
            self._reserve.discard(slot)
        elif slot.beyond:
            del self._anteroom[slot]
        else:
            del self._strangers[slot]
            _take(self._strangers_of, slot.group)
        if not slot.beyond:
            self._total -= 1
            _take(self._of, slot.group)


def _worth(slot: Slot) -> tuple[bool, float]:
    """Order in which connections of one user give way: idle ones, the longest first; of those at work the youngest."""
    occupant = slot.occupant
    idle_since = occupant.idle_since if occupant is not None else None
    return (False, idle_since) if idle_since is not None else (True, -slot.opened)


def _send_away(slot: Slot | None) -> None:
    """Under no lock."""
    occupant = slot.occupant if slot is not None else None
    if occupant is not None:
        occupant.give_way()


def _take(counter: Counter[str], group: str) -> None:
    counter[group] -= 1
    if not counter[group]:
        del counter[group]  # or every address that ever came would be kept
