"""Penalties: the time that whoever guesses passwords has to wait.

Wrong attempts are counted for the address they come from (one IPv4 address, or one /64 of IPv6: the least that a
household gets) and for the account they are for. The first few cost nothing; each further one multiplies the wait, up
to a limit. Nothing is ever locked for good, so no stranger locks a user out:

- the wait for an account does not hold at an address from which its user has signed in before;
- it is at most a minute at all others.

Names of users who do not exist are counted like the others, or the wait would tell who exists.
"""

from __future__ import annotations

import hashlib
import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import msgspec

# What a stranger can make a user wait at an address that is new for this user.
_ACCOUNT_MAX_S = 60.0
# Bounds memory against made-up names and addresses: the longest untouched entry goes. Some 20 MiB when full.
_MAX_ENTRIES = 100_000
_MAX_KNOWN_ADDRESSES = 32  # for each account
# Kept over a restart are the youngest so many: a file of some 2 MB, written in 20 ms.
_MAX_SAVED = 20_000

# A name that no account can have may be as long as a message. What is kept of it is as long as any real one at most.
_MAX_NAME_CHARS = 64

PenaltyKind = Literal["address", "account"]


def address_group(address: str) -> str:
    """Text that stands for all addresses counted as one: itself for IPv4 (also when written as IPv6), the /64 for
    IPv6."""
    parsed = ipaddress.ip_address(address.split("%", 1)[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.IPv6Network((parsed, 64), strict=False))
    return str(parsed)


def account_name(name: str) -> str:
    """Under which name attempts on account `name` are counted: itself, unless it is too long for any account."""
    if len(name) <= _MAX_NAME_CHARS:
        return name
    return f"sha256:{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"


@dataclass(frozen=True, slots=True)
class PenaltyRule:
    """`attempts` are free; the next costs `base_s`, each further one `growth` times as much, at most `max_s`.

    All is forgotten `forget_s` after the last wrong attempt.
    """

    attempts: int
    base_s: float
    growth: float
    max_s: float
    forget_s: float

    def wait_s(self, failures: int) -> float:
        """The wait after the last of so many wrong attempts."""
        beyond = failures - self.attempts - 1
        if beyond < 0:
            return 0.0
        # The exponent is bounded, or a patient guesser would overflow a float.
        return min(self.max_s, self.base_s * self.growth ** min(beyond, 64))


@dataclass(slots=True)
class _Record:
    failures: int = 0
    last: float = 0.0


class Penalty(msgspec.Struct, frozen=True):
    """Wrong attempts from an address or on an account. `age_s`: since the last; `wait_s`: what is left to wait."""

    kind: PenaltyKind
    name: str
    failures: int
    age_s: float
    wait_s: float = 0.0


class PenaltyState(msgspec.Struct, frozen=True):
    """Penalties that a restart must not forget. `known`: by account, the addresses where its user has signed in."""

    failures: list[Penalty]
    known: dict[str, list[str]]


class Penalties:
    """Wrong attempts, and the waits that follow from them. Thread-safe; in memory (see penalty_file)."""

    def __init__(self, rule: PenaltyRule, clock: Callable[[], float] = time.monotonic) -> None:
        self._rule = rule
        self._clock = clock
        self._lock = threading.Lock()
        self._records: OrderedDict[tuple[PenaltyKind, str], _Record] = OrderedDict()
        self._known: OrderedDict[str, OrderedDict[str, None]] = OrderedDict()
        self.changes = 0
        """Grows with each change."""

    def wait_s(self, group: str, account: str) -> float:
        """Seconds that an attempt from `group` (see `address_group`) on `account` has to wait; 0 if it may go on."""
        account = account_name(account)
        with self._lock:
            wait = self._remaining(("address", group), self._rule.max_s)
            if group not in self._known.get(account, ()):
                wait = max(wait, self._remaining(("account", account), _ACCOUNT_MAX_S))
            return wait

    def _remaining(self, key: tuple[PenaltyKind, str], most_s: float) -> float:
        record = self._records.get(key)
        if record is None:
            return 0.0
        passed = self._clock() - record.last
        if passed >= self._rule.forget_s:
            del self._records[key]
            return 0.0
        return max(0.0, min(self._rule.wait_s(record.failures), most_s) - passed)

    def failed(self, group: str, account: str) -> int:
        """Take note of a wrong attempt. Returns how many there have been from this address."""
        with self._lock:
            self._count(("account", account_name(account)))
            return self._count(("address", group))

    def _count(self, key: tuple[PenaltyKind, str]) -> int:
        now = self._clock()
        self.changes += 1
        record = self._records.get(key)
        if record is None or now - record.last >= self._rule.forget_s:
            record = self._records[key] = _Record()
        record.failures += 1
        record.last = now
        self._records.move_to_end(key)
        if len(self._records) > _MAX_ENTRIES:
            self._records.popitem(last=False)
        return record.failures

    def succeeded(self, group: str, account: str) -> None:
        """Take note of a good sign-in: the account starts anew, and this address is one of its own.

        The address's count stays: or whoever has one account could guess at all others in between.
        """
        with self._lock:
            self.changes += 1
            self._records.pop(("account", account), None)
            known = self._known.setdefault(account, OrderedDict())
            known[group] = None
            known.move_to_end(group)
            if len(known) > _MAX_KNOWN_ADDRESSES:
                known.popitem(last=False)
            self._known.move_to_end(account)
            if len(self._known) > _MAX_ENTRIES:
                self._known.popitem(last=False)

    # Looking, lifting, keeping

    def current(self) -> list[Penalty]:
        """All wrong attempts that are not forgotten yet; who has to wait longest comes first."""
        with self._lock:
            found = self._unsorted()
        return sorted(found, key=lambda penalty: (-penalty.wait_s, -penalty.failures, penalty.kind, penalty.name))

    def lift(self, kind: PenaltyKind | None = None, name: str = "") -> int:
        """Forget the wrong attempts of one address group or account; without a kind, all. How many there were."""
        with self._lock:
            keys = list(self._records) if kind is None else [(kind, account_name(name))]
            lifted = sum(self._records.pop(key, None) is not None for key in keys)
            self.changes += lifted
            return lifted

    def state(self) -> PenaltyState:
        """Penalties as of now, for `restore`."""
        with self._lock:
            known = {account: list(groups) for account, groups in list(self._known.items())[-_MAX_SAVED:]}
            return PenaltyState(self._unsorted()[-_MAX_SAVED:], known)

    def restore(self, state: PenaltyState, older_by_s: float) -> None:
        """Begin with `state`, of so many seconds ago."""
        now = self._clock()
        with self._lock:
            for penalty in state.failures:
                age_s = max(0.0, penalty.age_s) + older_by_s
                if age_s < self._rule.forget_s and penalty.failures > 0:
                    self._records[penalty.kind, account_name(penalty.name)] = _Record(penalty.failures, now - age_s)
            for account, groups in state.known.items():
                self._known[account_name(account)] = OrderedDict.fromkeys(groups[-_MAX_KNOWN_ADDRESSES:])
            self.changes += 1

    def _unsorted(self) -> list[Penalty]:
        """Penalties in the order of the last attempts, the oldest first."""
        now = self._clock()
        found = []
        for key, record in self._records.items():
            age_s = now - record.last
            if age_s < self._rule.forget_s:
                most_s = self._rule.max_s if key[0] == "address" else _ACCOUNT_MAX_S
                wait_s = max(0.0, min(self._rule.wait_s(record.failures), most_s) - age_s)
                found.append(Penalty(*key, record.failures, age_s, wait_s))
        return found
