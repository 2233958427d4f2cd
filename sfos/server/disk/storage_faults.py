"""Faults of a store itself. Administrators meet these; clients get `DataDamaged` or `StorageFailed`.

    StorageFault
    ├── MasterKeyMissing · MasterKeyUnreadable · MasterKeyWrong
    ├── KeysDamaged                   the keys file of a space
    ├── TokenDamaged                  a sealed chunk, list, name or row does not open, or is not what its place says
    │   ├── KeyNotThere               nobody can say, for the key that it is under is not there
    │   └── CodecUnknown              nobody can say, for a newer version has packed it
    ├── CatalogUnreadable · CatalogTooNew · CatalogRolledBack · CatalogUnvouched
    ├── SmallChunksUnreadable · SmallChunksLost · SmallChunksRolledBack          small.db of a space
    ├── SpaceMissing                  a space that there once was
    ├── ReadingRefused                no room, memory or descriptors to read with
    ├── StoreStopped                  after a failed fsync
    └── StorageMisplaced              directories that cannot work together

The docstring is the sentence that the administrator reads; the message adds which file.
"""

from __future__ import annotations


class StorageFault(Exception):
    """The storage is not as it should be."""

    def __init__(self, detail: str = "") -> None:
        self.detail = detail
        sentence = (type(self).__doc__ or "").split("\n", 1)[0]
        super().__init__(f"{sentence} ({detail})" if detail else sentence)


class MasterKeyMissing(StorageFault):
    """There are stored spaces but no master key; put the key file back, for a new key would open nothing."""


class MasterKeyUnreadable(StorageFault):
    """The master key cannot be read; it is one or several Fernet keys, the newest first."""


class MasterKeyWrong(StorageFault):
    """The stored spaces were not made under this master key; nothing was changed."""


class KeysDamaged(StorageFault):
    """The keys file of a space is damaged; restore it from a backup."""


class TokenDamaged(StorageFault):
    """A stored token does not open, or is not what its place says."""


class KeyNotThere(TokenDamaged):
    """A stored token needs a key that its space's keys file does not have; is that an older one?"""


class CodecUnknown(TokenDamaged):
    """A stored token was packed by a newer version of this program; update this one."""


class CatalogUnreadable(StorageFault):
    """The catalog of a space cannot be opened; restore it from a backup."""


class CatalogTooNew(StorageFault):
    """The catalog of a space was written by a newer version of this program; update this one."""


class CatalogRolledBack(StorageFault):
    """The catalog of a space is older than its HEAD file says; someone put an old one back."""


class CatalogUnvouched(StorageFault):
    """The HEAD file of a space is gone and its catalog looks older than it was; put HEAD back, or restore the space."""


class SpaceMissing(StorageFault):
    """A space that this home has had is not there; is the storage mounted? Otherwise restore it from a backup."""


class SmallChunksUnreadable(StorageFault):
    """The database of small chunks of a space cannot be opened; restore it from a backup."""


class SmallChunksLost(StorageFault):
    """The database of small chunks of a space is gone; what was in it has to be restored or uploaded again."""


class SmallChunksRolledBack(StorageFault):
    """The database of small chunks of a space is older than its catalog; restore or upload again what it lacks."""


class ReadingRefused(StorageFault):
    """Stored data could not be read for want of something here; nothing is known to be wrong with them."""


class StoreStopped(StorageFault):
    """A write could not be made durable, so the store takes no more writes; check the disk and start again."""


class StorageMisplaced(StorageFault):
    """The storage directories cannot work together."""
