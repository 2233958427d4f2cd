"""Numbers that lie close together, asked for as ranges: what came together has its numbers one after the other, and a
range costs a database less than each number in it does.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import pairwise

_LEAST_IN_RUN = 8  # on an average; shorter ones take longer than asking for each number


def runs_of(numbers: Collection[int], *, gap: int = 1) -> list[tuple[int, int]] | None:
    """The first and the last of each run; None where there are so many that each number should be asked for.

    Two numbers of a run differ by `gap` at most: what lies between them is read in vain.
    """
    if not numbers:
        return []
    ordered = sorted(numbers)
    begins = [at for at, (one, following) in enumerate(pairwise(ordered), 1) if following - one > gap]
    if (len(begins) + 1) * _LEAST_IN_RUN > len(ordered):
        return None
    return [(ordered[begin], ordered[end - 1]) for begin, end in pairwise((0, *begins, len(ordered)))]
