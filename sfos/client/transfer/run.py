"""One run of a job, and the transfer that it carries out."""

from __future__ import annotations

from typing import Protocol

import msgspec

from sfos.client.options import TransferOptions
from sfos.client.session.session import Session
from sfos.client.transfer.ledger import Ledger, Row
from sfos.client.transfer.limiter import RateLimiter
from sfos.client.transfer.switch import Switch

_LOOK_S = 0.25  # a limit that is lifted while one waits for it is noticed so soon


class Run(msgspec.Struct, frozen=True):
    """The first run of a job, or another for what failed. `memory_bytes`: its share."""

    session: Session
    options: TransferOptions
    ledger: Ledger
    switch: Switch
    limiter: RateLimiter
    memory_bytes: int

    def moved(self, sent: int, received: int) -> None:
        """Bytes of bodies went over the network: count them, and wait if there is a limit. Raises: Cancelled."""
        self.ledger.moved(sent + received)
        until = self.limiter.take(sent + received)
        while (wait := self.limiter.left(until)) > 0:
            self.switch.sleep(min(wait, _LOOK_S))


class Transfer(Protocol):
    """An upload or a download, as it was asked for."""

    def first_row(self, ledger: Ledger) -> Row:
        """A new item that stands for the whole, to show what failed when it was no item; nothing is tried by it."""

    def execute(self, run: Run, again: list[Row]) -> None:
        """Do it; with `again`, only these, which failed. Leaves nothing half-done when it is cancelled.

        Raises: Cancelled; an error that concerns all that is left.
        """
