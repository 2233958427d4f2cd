"""Rotation of keys: a new master key wraps the keys of every space, and each space seals under a new data key.

No chunk is rewritten: what was sealed stays under the data key whose number its row bears. The new master key is
durable, in front of the old ones, before the first keys file is wrapped under it, and a file goes from one to the other
in one step together with its new data key. So wherever a rotation stops, everything opens, and what is not done yet
shows in the fingerprints of the keys files: running it again ends it instead of beginning another.

A server may run meanwhile. It reads the master key file and the keys files anew when they have changed, holds the
master key while it makes a space (server.vault.locks), and goes on with the keys that it has until then: they open, and
what is sealed under them still opens afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sfos.server.disk.storage_faults import KeysDamaged, MasterKeyWrong, StorageFault
from sfos.server.spaces.directory import is_space_id
from sfos.server.vault.keyring import read_keys, wrapped_under, write_keys
from sfos.server.vault.locks import changing_keys, changing_master
from sfos.server.vault.master import LiveMasterKey, MasterKey


class NoNewKey(StorageFault):
    """The master key comes from the environment; put a new key in front there, and run this again."""


class OldKeysNeeded(StorageFault):
    """Some keys files are not known to be under the newest master key, so the older ones stay."""


@dataclass(slots=True)
class Rotated:
    """Result of a rotation. `begun`: whether it made a new master key (or went on with one). `losses`: what it left."""

    begun: bool = False
    spaces: int = 0
    losses: list[str] = field(default_factory=list)


def rotate_keys(storage_dir: Path, live: LiveMasterKey, said: Callable[[str], None]) -> Rotated:
    """Rotate, or end a rotation that was interrupted. Safe beside a running server and beside another rotation.

    `said` hears of each space that is done. Raises: NoNewKey, MasterKeyUnreadable, MasterKeyMissing, OSError.
    """
    done = Rotated()
    with changing_master(storage_dir):
        master = live.newest()
        behind, ahead = _sorted(storage_dir, master, done.losses)
        if not behind:
            if live.path is None:
                raise NoNewKey
            master = master.with_new_key()
            live.replace(master)
            behind, done.begun = ahead, True
    for directory in behind:
        try:
            rewrapped = _rewrap(directory, master)
        except (KeysDamaged, MasterKeyWrong, FileNotFoundError) as error:
            if directory.is_dir():  # or it was shredded meanwhile
                done.losses.append(f"space {directory.name}: {error}")
            continue
        if rewrapped:
            done.spaces += 1
            said(directory.name)
    return done


def drop_old_keys(storage_dir: Path, live: LiveMasterKey, missing: Sequence[str] = ()) -> int:
    """Forget all master keys but the newest; how many went. Safe beside a running server.

    `missing`: spaces that there should be and are not, on a disk that is not mounted, say: they may need them.
    Raises: OldKeysNeeded, NoNewKey, MasterKeyUnreadable, MasterKeyMissing, OSError.
    """
    with changing_master(storage_dir):
        master = live.newest()
        losses = [f"space {space_id}: not there" for space_id in missing]
        behind, _ = _sorted(storage_dir, master, losses)
        if behind or losses:
            raise OldKeysNeeded("; ".join([*(directory.name for directory in behind), *losses]))
        old = len(master.fingerprints()) - 1
        if old:
            if live.path is None:
                raise NoNewKey("or take the old ones away there")
            live.replace(master.newest_only())
        return old


def _rewrap(directory: Path, master: MasterKey) -> bool:
    """Wrap a space's keys and a new data key under the newest master key; False if someone else just did."""
    with changing_keys(directory):  # two that each add a data key would make two different keys of one number
        if wrapped_under(directory) == master.fingerprints()[0]:
            return False
        keys = read_keys(directory, bytes.fromhex(directory.name), master)
        write_keys(directory, keys.with_new_data_key(), master)
        return True


def _sorted(storage_dir: Path, master: MasterKey, losses: list[str]) -> tuple[list[Path], list[Path]]:
    """The directories of the spaces whose keys are under an older master key, and of those under the newest."""
    behind: list[Path] = []
    ahead: list[Path] = []
    for directory in sorted(storage_dir.iterdir()):
        if not is_space_id(directory.name) or not directory.is_dir():
            continue
        try:
            read_keys(directory, bytes.fromhex(directory.name), master)
            newest = wrapped_under(directory) == master.fingerprints()[0]
        except (KeysDamaged, MasterKeyWrong) as error:
            losses.append(f"space {directory.name}: {error}")
            continue
        (ahead if newest else behind).append(directory)
    return behind, ahead
