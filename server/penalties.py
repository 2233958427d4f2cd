"""How long whoever guesses passwords has to wait.

Wrong attempts are counted for the address they come from (one IPv4 address, or one /64 of IPv6: the least that a
household gets) and for the account they are for. The first few cost nothing; each further one multiplies the wait, up
to a limit. Nothing is ever locked for good, so no stranger locks a user out:

- the wait for an account does not hold at an address from which its user has signed in before;
- it is at most a minute at all others.

Names of users who do not exist are counted like the others, or the wait would tell who exists.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

# What a stranger can make a user wait at an address that is new for this user.
_ACCOUNT_MAX_S = 60.0
# Bounds memory against made-up names and addresses: the longest untouched entry goes. Some 20 MiB when full.
_MAX_ENTRIES = 100_000
_MAX_KNOWN_ADDRESSES = 32  # for each account


def address_group(address: str) -> str:
    """What counts as one address: itself for IPv4 (also when written as IPv6), the /64 for IPv6."""
    parsed = ipaddress.ip_address(address.split("%", 1)[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.IPv6Network((parsed, 64), strict=False))
    return str(parsed)


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


class Penalties:
    """Wrong attempts, and the waits that follow from them. Thread-safe; in memory."""

    def __init__(self, rule: PenaltyRule, clock: Callable[[], float] = time.monotonic) -> None:
        self._rule = rule
        self._clock = clock
        self._lock = threading.Lock()
        self._records: OrderedDict[tuple[str, str], _Record] = OrderedDict()
        self._known: OrderedDict[str, OrderedDict[str, None]] = OrderedDict()

    def wait_s(self, group: str, account: str) -> float:
        """Seconds that an attempt from `group` (see `address_group`) on `account` has to wait; 0 if it may go on."""
        with self._lock:
            wait = self._remaining(("address", group), self._rule.max_s)
            if group not in self._known.get(account, ()):
                wait = max(wait, self._remaining(("account", account), _ACCOUNT_MAX_S))
            return wait

    def _remaining(self, key: tuple[str, str], most_s: float) -> float:
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
            self._count(("account", account))
            return self._count(("address", group))

    def _count(self, key: tuple[str, str]) -> int:
        now = self._clock()
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
            self._records.pop(("account", account), None)
            known = self._known.setdefault(account, OrderedDict())
            known[group] = None
            known.move_to_end(group)
            if len(known) > _MAX_KNOWN_ADDRESSES:
                known.popitem(last=False)
            self._known.move_to_end(account)
            if len(self._known) > _MAX_ENTRIES:
                self._known.popitem(last=False)
