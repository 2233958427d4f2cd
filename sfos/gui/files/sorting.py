"""Sorting of many rows, in steps so short that the window answers in between. Pure."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import islice
from operator import eq
from typing import Any, Generic, TypeVar

K = TypeVar("K", str, int)

_DIGITS = re.compile(r"0*(\d+)")
_LENGTHS = tuple(f"{length:03}" for length in range(1_000))
_STEP = 16_000  # rows sorted at once, in some 15 ms during which no other Python code runs


def naturals(names: Sequence[str]) -> list[str]:
    """Keys by which `file2` comes before `file10`, ignoring case: numbers are led by how long they are."""
    parts = _DIGITS.split("\0".join(names).casefold())
    try:
        parts[1::2] = [_LENGTHS[len(digits)] + digits for digits in parts[1::2]]
    except IndexError:
        parts[1::2] = [f"{len(digits):03}{digits}" for digits in parts[1::2]]
    keys = "".join(parts).split("\0")
    # One by one, should a server send what no name can hold.
    return keys if len(keys) == len(names) else [natural(name) for name in names]


def natural(name: str) -> str:
    """Key of one name."""
    return naturals((name.replace("\0", "\1"),))[0]


class Sorter(Generic[K]):
    """Ordinals in ascending order of keys; what has equal ones stays as it came, or as `second` says.

    Kept in runs that are divided as they grow, so that to take in some more and tell the order again sorts little anew.
    """

    def __init__(self, second: Callable[[int], Any] | None = None) -> None:
        self._second = second
        self._runs: list[_Run[K]] = [_Run([], array("I"))]
        self._firsts: list[K] = []  # the smallest keys of all runs but the first

    def add(self, ordinals: Sequence[int], keys: Sequence[K]) -> None:
        """Take in a few thousand."""
        way = sorted(range(len(keys)), key=keys.__getitem__)
        keys = list(map(keys.__getitem__, way))
        ordinals = array("I", map(ordinals.__getitem__, way))
        begin = 0
        cuts = [*(bisect_left(keys, first) for first in self._firsts), len(keys)]
        for run, end in zip(tuple(self._runs), cuts, strict=True):
            if begin < end:
                run.add(ordinals[begin:end], keys[begin:end])
                if run.is_long:
                    self._divide(run)
            begin = end

    def _divide(self, run: _Run[K]) -> None:
        upper = run.upper_half()
        if upper is not None:
            at = self._runs.index(run)
            self._runs.insert(at + 1, upper)
            self._firsts.insert(at, upper.keys[0])

    def order(self) -> array[int]:
        """All of them."""
        found = array("I")
        for run in self._runs:
            found += run.order(self._second)
        return found


class _Run(Generic[K]):
    """Part of them, with their keys: of what comes between two other parts."""

    def __init__(self, keys: list[K], ordinals: array[int]) -> None:
        self.keys: list[K] = keys
        self._ordinals = ordinals
        self._most = _STEP
        self._is_sorted, self._is_settled = True, False

    @property
    def is_long(self) -> bool:
        """Whether it should be divided."""
        return len(self.keys) > self._most

    def add(self, ordinals: array[int], keys: Sequence[K]) -> None:
        """Take in some that are in order themselves."""
        self.keys += keys
        self._ordinals += ordinals
        self._is_sorted = self._is_settled = False

    def order(self, second: Callable[[int], Any] | None) -> array[int]:
        """Ordinals, in order."""
        self._sort()
        if not self._is_settled:
            self._is_settled = True
            keys, ordinals = self.keys, self._ordinals
            if second is not None and any(map(eq, keys, islice(keys, 1, None))):
                way = sorted(range(len(keys)), key=lambda at: (keys[at], second(ordinals[at])))
                self._ordinals = array("I", map(ordinals.__getitem__, way))
        return self._ordinals

    def _sort(self) -> None:
        if not self._is_sorted:
            self._is_sorted = True
            keys, ordinals = self.keys, self._ordinals
            way = sorted(range(len(keys)), key=keys.__getitem__)
            self.keys = [keys[at] for at in way]
            self._ordinals = array("I", map(ordinals.__getitem__, way))

    def upper_half(self) -> _Run[K] | None:
        """The larger keys, taken out; None if all keys are equal. Equal ones stay together."""
        self._sort()
        keys, ordinals = self.keys, self._ordinals
        half = len(keys) // 2
        cut = bisect_left(keys, keys[half])
        if not cut:
            cut = next((at for at in range(half, len(keys)) if keys[at] != keys[0]), 0)
        if not cut:
            self._most = 2 * len(keys)
            return None
        self.keys, self._ordinals = keys[:cut], ordinals[:cut]
        return _Run(keys[cut:], ordinals[cut:])
