"""Backups of a test's home, and what comes of them in another one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from sfos.server.maintenance.backup import BackedUp, back_up
from sfos.server.maintenance.progress import Progress, silent
from sfos.server.maintenance.restore import Restored, find_snapshot, restore
from sfos.server.maintenance.verify import verify_space
from sfos.server.spaces.registry import SpaceRegistry
from sfos.server.vault.master import LiveMasterKey, MasterKey
from tests.storage.desk import Desk

NewRegistry = Callable[..., SpaceRegistry]


@dataclass(frozen=True)
class Backups:
    """Backups of a home into the directory `place`, and what comes of them in a second home, which is empty."""

    storage: Path
    accounts: Path
    place: Path
    home: Path
    master: MasterKey
    new_registry: NewRegistry
    space_id: str

    def make(self, keep: int | None = None, progress: Callable[[str], Progress] = lambda _: silent) -> BackedUp:
        now = dt.datetime.now(dt.UTC)
        return back_up(
            self.storage, self.accounts, self.place, lambda: now, lambda _: None, keep=keep, progress=progress
        )

    def bring_back(
        self,
        name: str | None = None,
        key: MasterKey | None = None,
        progress: Callable[[str], Progress] = lambda _: silent,
    ) -> Restored:
        snapshot = find_snapshot(self.place, name)
        accounts = self.home / "secrets" / "credentials.json"
        live = LiveMasterKey(key or self.master)
        return restore(self.place, snapshot, self.home / "server_storage", self.home / "temp", accounts, live, progress)

    def at_home(self, home: Path) -> Backups:
        """These backups, to be brought back there."""
        return replace(self, home=home)

    def of_storage(self, storage: Path) -> Backups:
        """Backups of other spaces into the same directory."""
        return replace(self, storage=storage)

    def tree(self) -> dict[str, bytes | None]:
        """All files of the space in the second home; it has to verify clean."""
        registry = self.new_registry(home=self.home)
        with registry.inspect(self.space_id) as context:
            assert verify_space(context, full=True).findings == []
        with registry.lease(self.space_id, create=False) as space:
            return Desk(space).tree()
