"""Policies for tests: as long, or as often, as it takes."""

from __future__ import annotations

from sfos.client.retry import RetryPolicy


def for_s(seconds: float) -> RetryPolicy:
    """Commands that are tried again for so long."""
    return RetryPolicy(first_s=0.1, longest_s=2.0, give_up_after_s=seconds)


def times(tries: int, first_s: float) -> RetryPolicy:
    """Transfers that are tried again so often in a row."""
    return RetryPolicy(first_s=first_s, longest_s=30.0, tries=tries)
