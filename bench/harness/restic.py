"""restic with a repository on the local disk: no server and no wire, but chunks, deduplication and encryption."""

from __future__ import annotations

import secrets
import subprocess
from contextlib import ExitStack
from pathlib import Path

from bench.harness.data import remove, tree_bytes
from bench.harness.processes import Command, must
from bench.harness.side import Store, environment, program


class Restic(Store):
    """`restic backup` and `restic restore`; a name is a tag of snapshots."""

    title = "restic (local)"
    note = "no network; encrypted at rest, synced to disk"

    def __init__(self, place: Path) -> None:
        self._repository = place / "restic" / "repository"
        self._environment = environment(
            place / "restic",
            {
                "RESTIC_REPOSITORY": str(self._repository),
                "RESTIC_PASSWORD": secrets.token_urlsafe(24),
                "RESTIC_CACHE_DIR": str(place / "restic" / "cache"),
            },
        )

    def start(self, stack: ExitStack) -> None:
        """See Side."""
        del stack
        self._program = program("restic")
        said = subprocess.run([self._program, "version"], capture_output=True, text=True, check=True).stdout
        self.version = said.split()[1]
        self._repository.parent.mkdir(mode=0o700)
        must(self._restic("init"))

    def empty(self) -> None:
        """See Side."""
        remove(self._repository)
        must(self._restic("init"))

    def _restic(self, *arguments: str) -> Command:
        return Command((self._program, "--quiet", *arguments), self._environment)

    def put_file(self, source: Path, name: str) -> Command:
        """See Side."""
        return self._restic("backup", "--tag", name, str(source))

    def get_file(self, name: str, target: Path) -> Command:
        """See Side. Restored below `target`, at its original path."""
        return self._restic("restore", "latest", "--tag", name, "--target", str(target))

    def put_folder(self, source: Path, name: str) -> Command:
        """See Side."""
        return self.put_file(source, name)

    def get_folder(self, name: str, target: Path) -> Command:
        """See Side."""
        return self.get_file(name, target)

    def received(self, target: Path, source: Path) -> Path:
        """See Side."""
        return target / source.relative_to("/")

    def provide_names(self, source: Path, name: str) -> None:
        """See Side."""
        must(self.put_folder(source, name))

    def list_names(self, name: str, *, recursive: bool) -> Command:
        """See Side. It always lists all of a snapshot."""
        del recursive
        return self._restic("ls", "--tag", name, "latest")

    def stored_bytes(self) -> int:
        """See Side."""
        return tree_bytes(self._repository)
