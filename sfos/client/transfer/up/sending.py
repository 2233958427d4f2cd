"""Parts that the threads of an upload share."""

from __future__ import annotations

import threading

from sfos.client.api import Api
from sfos.client.transfer.ledger import Ledger
from sfos.client.transfer.switch import Switch
from sfos.client.transfer.up.block import Block, Blocks
from sfos.client.transfer.up.files import FolderToMake, PathToMake, SentFiles


class Sending:
    """The memory and the files of an upload under way, and how far away the server is. Thread-safe."""

    def __init__(self, api: Api, ledger: Ledger, switch: Switch, blocks: int, block_bytes: int) -> None:
        """`api`: of the space; `blocks`: how many there may be at a time; `block_bytes`: of one of small files."""
        self.space = api.info
        self.asked = api.naming.asked
        self.ledger = ledger
        self.switch = switch
        self.changed = threading.Condition()
        self.blocks = Blocks(switch, self.changed, blocks, block_bytes)
        self.files = SentFiles(ledger, switch, self.changed)
        self.nodes: dict[FolderToMake | PathToMake, int] = {}
        """Nodes of the folders that have been made."""
        self.round_trip_s: float | None = None

    def block_done(self, block: Block) -> None:
        """All of a block is on the server (or given up): its memory is free again."""
        with self.changed:
            self.blocks.give_back(block)
            if not block.small:
                self.files.block_closed(block.files)

    def took(self, seconds: float) -> None:
        """A question was answered after so long: the shortest time tells how far away the server is."""
        with self.changed:
            self.round_trip_s = min(seconds, self.round_trip_s or seconds)
            self.changed.notify_all()
