"""Penalties: the time that whoever guesses passwords has to wait.

Wrong attempts are counted for the address they come from (one IPv4 address, or one /64 of IPv6: the least that a
household gets), for the account they are for, and for the two together. The first few cost nothing; each further one
multiplies the wait, up to a limit. Nothing is ever locked for good, so no stranger locks a user out:

- at an address from which its user has signed in before, an account waits for wrong attempts on this very account from
  this very address, and for nothing else: neither for what strangers do elsewhere nor for what others do there;
- at all other addresses it waits for the address, whatever was tried there, and a minute at most for the account.

Names of users who do not exist are counted like the others, or the wait would tell who exists.
"""

from __future__ import annotations

import hashlib
import ipaddress
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

import msgspec

# What a stranger can make a user wait at an address that is new for this user.
_ACCOUNT_MAX_S = 60.0
# Bounds memory against made-up names and addresses, for each kind of count: the longest untouched entry goes. Some
# 20 MiB for each when full.
_MAX_ENTRIES = 100_000
_MAX_KNOWN_ADDRESSES = 32  # for each account
# Kept over a restart are the youngest so many of what strangers fill, and as many of what they cannot: a file of some
# 4 MB at most, written in 40 ms.
_MAX_SAVED = 20_000

# A name that no account can have may be as long as a message. What is kept of it is as long as any real one at most.
_MAX_NAME_CHARS = 64

PenaltyKind = Literal["address", "account"]
_Pair = tuple[str, str]  # account and address group


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


class Penalty(msgspec.Struct, frozen=True):
    """Wrong attempts from an address or on an account; of an account with an `address`, those from there alone.

    `age_s`: since the last; `wait_s`: what is left to wait.
    """

    kind: PenaltyKind
    name: str
    failures: int
    age_s: float
    wait_s: float = 0.0
    address: str = ""


class PenaltyState(msgspec.Struct, frozen=True):
    """Penalties that a restart must not forget. `known`: by account, the addresses where its user has signed in."""

    failures: list[Penalty]
    known: dict[str, list[str]]


@dataclass(slots=True)
class _Record:
    failures: int = 0
    last: float = 0.0


KeyT = TypeVar("KeyT", bound=Hashable)


class _Counts(Generic[KeyT]):
    """Wrong attempts by key, those touched last at the end. Not thread-safe."""

    def __init__(self, rule: PenaltyRule, most_s: float) -> None:
        self._rule = rule
        self._most_s = most_s
        self.records: OrderedDict[KeyT, _Record] = OrderedDict()

    def wait_s(self, key: KeyT, now: float) -> float:
        record = self.records.get(key)
        if record is None:
            return 0.0
        if now - record.last >= self._rule.forget_s:
            del self.records[key]
            return 0.0
        return self._left_s(record, now)

    def _left_s(self, record: _Record, now: float) -> float:
        return max(0.0, min(self._rule.wait_s(record.failures), self._most_s) - (now - record.last))

    def count(self, key: KeyT, now: float) -> int:
        """How many there are with one more."""
        record = self.records.get(key)
        if record is None or now - record.last >= self._rule.forget_s:
            record = self.records[key] = _Record()
        record.failures += 1
        record.last = now
        self.records.move_to_end(key)
        return record.failures

    def put(self, key: KeyT, record: _Record) -> None:
        self.records[key] = record

    def take(self, key: KeyT) -> _Record | None:
        return self.records.pop(key, None)

    def trim(self) -> int:
        """Let go of what is too much, the longest untouched first; how many."""
        over = len(self.records) - _MAX_ENTRIES
        for _ in range(over):
            self.records.popitem(last=False)
        return max(0, over)

    def listed(self, now: float) -> Iterator[tuple[KeyT, _Record, float]]:
        """Key, record and what is left to wait, of all that are not forgotten yet; the oldest first."""
        for key, record in self.records.items():
            if now - record.last < self._rule.forget_s:
                yield key, record, self._left_s(record, now)


class Penalties:
    """Wrong attempts, and the waits that follow from them. Thread-safe; in memory (see penalty_file)."""

    def __init__(self, rule: PenaltyRule, clock: Callable[[], float] = time.monotonic) -> None:
        self._rule = rule
        self._clock = clock
        self._lock = threading.Lock()
        self._addresses = _Counts[str](rule, rule.max_s)
        self._accounts = _Counts[str](rule, _ACCOUNT_MAX_S)
        # Of pairs, those where the user is known and those where not lie apart: strangers fill the latter alone.
        self._known_pairs = _Counts[_Pair](rule, rule.max_s)
        self._other_pairs = _Counts[_Pair](rule, rule.max_s)
        self._known: OrderedDict[str, OrderedDict[str, None]] = OrderedDict()
        self._homes: Counter[str] = Counter()  # for how many accounts an address is known
        self.changes = 0
        """Grows with each change."""
        self.let_go = 0
        """Counts that were forgotten before their time, for there were too many."""

    def wait_s(self, group: str, account: str) -> float:
        """Seconds that an attempt from `group` (see `address_group`) on `account` has to wait; 0 if it may go on."""
        account = account_name(account)
        with self._lock:
            now = self._clock()
            if self._is_known(account, group):
                return self._known_pairs.wait_s((account, group), now)
            return max(self._addresses.wait_s(group, now), self._accounts.wait_s(account, now))

    def is_home(self, group: str) -> bool:
        """Whether somebody has signed in from `group` before."""
        return group in self._homes

    def _is_known(self, account: str, group: str) -> bool:
        return group in self._known.get(account, ())

    def failed(self, group: str, account: str) -> int:
        """Take note of a wrong attempt. Returns how many there have been from this address."""
        account = account_name(account)
        with self._lock:
            now = self._clock()
            self.changes += 1
            pairs = self._known_pairs if self._is_known(account, group) else self._other_pairs
            pairs.count((account, group), now)
            self._accounts.count(account, now)
            failures = self._addresses.count(group, now)
            self.let_go += sum(counts.trim() for counts in (pairs, self._accounts, self._addresses))
            return failures

    def succeeded(self, group: str, account: str) -> None:
        """Take note of a good sign-in: the account starts anew, and this address is one of its own.

        The count of the address stays, and so does that of the two together: or whoever has one account could guess at
        all others in between, and whoever sits beside a user could guess anew after each of their sign-ins.
        """
        with self._lock:
            self.changes += 1
            self._accounts.take(account)
            known = self._known.setdefault(account, OrderedDict())
            if group not in known:
                self._homes[group] += 1
                self._move((account, group), self._other_pairs, self._known_pairs)
            known[group] = None
            known.move_to_end(group)
            if len(known) > _MAX_KNOWN_ADDRESSES:
                self._forget_home(account, known.popitem(last=False)[0])
            self._known.move_to_end(account)
            if len(self._known) > _MAX_ENTRIES:
                oldest, groups = self._known.popitem(last=False)
                for one in groups:
                    self._forget_home(oldest, one)

    def _forget_home(self, account: str, group: str) -> None:
        self._homes[group] -= 1
        if not self._homes[group]:
            del self._homes[group]
        self._move((account, group), self._known_pairs, self._other_pairs)

    @staticmethod
    def _move(pair: _Pair, source: _Counts[_Pair], target: _Counts[_Pair]) -> None:
        record = source.take(pair)
        if record is not None:
            target.put(pair, record)

    # Looking, lifting, keeping

    def current(self) -> list[Penalty]:
        """All wrong attempts that are not forgotten yet; who has to wait longest comes first.

        Of an account and an address together those where the user is known there: elsewhere they make nobody wait.
        """
        with self._lock:
            now = self._clock()
            found = [*self._listed("address", now), *self._listed("account", now), *_paired(self._known_pairs, now)]
        return sorted(found, key=lambda one: (-one.wait_s, -one.failures, one.kind, one.name, one.address))

    def _listed(self, kind: PenaltyKind, now: float) -> list[Penalty]:
        counts = self._addresses if kind == "address" else self._accounts
        return [Penalty(kind, key, one.failures, now - one.last, wait_s) for key, one, wait_s in counts.listed(now)]

    def lift(self, kind: PenaltyKind | None = None, name: str = "") -> int:
        """Forget the wrong attempts of one address group or account; without a kind, all. How many were listed."""
        name = account_name(name)
        with self._lock:
            lifted = sum(
                counts.take(key) is not None
                for of, counts in (("address", self._addresses), ("account", self._accounts))
                for key in (list(counts.records) if kind is None else [name])
                if kind in (None, of)
            )
            for pairs, listed in ((self._known_pairs, True), (self._other_pairs, False)):
                chosen = [pair for pair in pairs.records if kind is None or pair[kind == "address"] == name]
                for pair in chosen:
                    pairs.take(pair)
                lifted += len(chosen) if listed else 0
            self.changes += lifted
            return lifted

    def state(self) -> PenaltyState:
        """Penalties as of now, for `restore`."""
        with self._lock:
            now = self._clock()
            known = {account: list(groups) for account, groups in list(self._known.items())[-_MAX_SAVED:]}
            failures = [
                *_paired(self._known_pairs, now)[-_MAX_SAVED:],
                *self._listed("address", now)[-_MAX_SAVED // 2 :],
                *self._listed("account", now)[-_MAX_SAVED // 4 :],
                *_paired(self._other_pairs, now)[-_MAX_SAVED // 4 :],
            ]
        return PenaltyState(failures, known)

    def restore(self, state: PenaltyState, older_by_s: float) -> None:
        """Begin with `state`, of so many seconds ago."""
        now = self._clock()
        with self._lock:
            for account, groups in state.known.items():
                kept = OrderedDict.fromkeys(groups[-_MAX_KNOWN_ADDRESSES:])
                self._known[account_name(account)] = kept
                self._homes.update(kept.keys())
            for penalty in state.failures:
                age_s = max(0.0, penalty.age_s) + older_by_s
                if age_s < self._rule.forget_s and penalty.failures > 0:
                    self._restore_one(penalty, _Record(penalty.failures, now - age_s))
            self.changes += 1

    def _restore_one(self, penalty: Penalty, record: _Record) -> None:
        name = account_name(penalty.name)
        if penalty.kind == "address":
            self._addresses.put(name, record)
        elif penalty.address:
            known = self._is_known(name, penalty.address)
            (self._known_pairs if known else self._other_pairs).put((name, penalty.address), record)
        else:
            self._accounts.put(name, record)


def _paired(pairs: _Counts[_Pair], now: float) -> list[Penalty]:
    return [
        Penalty("account", account, one.failures, now - one.last, wait_s, group)
        for (account, group), one, wait_s in pairs.listed(now)
    ]
