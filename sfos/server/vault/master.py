"""The master key: wraps the keys of every space, and nothing else. One Fernet key, or several while it is rotated."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from sfos.server.disk.durable_files import Signature, signature_of, write_durably
from sfos.server.disk.storage_faults import MasterKeyMissing, MasterKeyUnreadable, StorageFault

_log = logging.getLogger(__name__)

MASTER_KEY_VARIABLE = "SFOS_MASTER_KEY"


class MasterKey:
    """Wraps under the first of its keys and unwraps under any (MultiFernet), so that a key can be rotated."""

    def __init__(self, keys: Iterable[str]) -> None:
        """Raises: MasterKeyUnreadable."""
        self._keys = tuple(keys)
        if not self._keys:
            raise MasterKeyUnreadable("it is empty")
        try:
            self._fernet = MultiFernet([Fernet(key) for key in self._keys])
        except ValueError as error:  # binascii.Error is one; never show the key itself
            raise MasterKeyUnreadable("a key is not 32 bytes of url-safe base64") from error

    @classmethod
    def parse(cls, text: str) -> MasterKey:
        """Keys between white space or commas, the newest first. Raises: MasterKeyUnreadable."""
        return cls(text.replace(",", " ").split())

    def wrap(self, plain: bytes) -> bytes:
        """A Fernet token, as text, under the newest key."""
        return self._fernet.encrypt(plain)

    def unwrap(self, token: bytes) -> bytes | None:
        """Content of `token`, or None if no key opens it."""
        try:
            return self._fernet.decrypt(token)
        except InvalidToken:
            return None

    def with_new_key(self) -> MasterKey:
        """These keys behind a new random one."""
        return MasterKey((Fernet.generate_key().decode("ascii"), *self._keys))

    def newest_only(self) -> MasterKey:
        """The first of these keys."""
        return MasterKey(self._keys[:1])

    def write(self, path: Path) -> None:
        """Put the keys into the file, a line each, durably, mode 0600; a symbolic link stays one. Raises: OSError."""
        write_durably(path.resolve(), "".join(f"{key}\n" for key in self._keys).encode("ascii"), mode=0o600)

    def fingerprints(self) -> tuple[str, ...]:
        """A short name for each key, which tells nothing of it; the newest first."""
        return tuple(hashlib.sha256(b"sfos master key\0" + key.encode()).hexdigest()[:16] for key in self._keys)

    def __repr__(self) -> str:
        return f"<MasterKey {' '.join(self.fingerprints())}>"


class LiveMasterKey:
    """The master key as it is now: a rotation beside a running server changes its file. Safe from several threads."""

    def __init__(self, master: MasterKey, path: Path | None = None) -> None:
        """`path`: the file that `master` was read from; None if it comes from elsewhere and never changes."""
        self.path = path
        self._lock = threading.Lock()
        self._signature = None if path is None else _seen(path)  # of the file that `_master` was read from
        self._told: Signature | None = None
        self._master = master

    @classmethod
    def load(cls, path: Path, given: str | None, *, may_create: bool) -> LiveMasterKey:
        """See `load_master_key`."""
        if given:
            return cls(load_master_key(path, given, may_create=may_create))
        before = _seen(path)
        live = cls(load_master_key(path, given, may_create=may_create), path)
        live._signature = before if before is not None else live._signature
        return live

    def current(self) -> MasterKey:
        """The keys that the file holds; costs one stat. A file that cannot be read now is as it was when it could."""
        with self._lock:
            self._look()
            return self._master

    def newest(self) -> MasterKey:
        """`current`, for whoever wraps keys under it or writes the file: one that is known to be older will not do.

        Raises: MasterKeyMissing, MasterKeyUnreadable where the file is another than the one that was read.
        """
        with self._lock:
            if (fault := self._look()) is not None:
                raise fault
            return self._master

    def _look(self) -> StorageFault | None:
        """Read the file if it is another one; what keeps it from being read, which is tried again at the next look."""
        signature = None if self.path is None else _seen(self.path)
        if self.path is None or signature is None or signature == self._signature:
            return None
        try:
            self._master = load_master_key(self.path, None, may_create=False)
        except StorageFault as error:
            if signature != self._told:
                _log.error("%s; the master key of before stays in use", error)
            self._told = signature
            return error
        self._signature, self._told = signature, None
        return None

    def replace(self, master: MasterKey) -> None:
        """Put `master` into the file, durably. Raises: OSError; ValueError where there is no file."""
        if self.path is None:
            raise ValueError("the master key comes from the environment")
        master.write(self.path)


def _seen(path: Path) -> Signature | None:
    try:
        return signature_of(path)
    except OSError:  # a key that lies elsewhere may be away for a while
        return None


def load_master_key(path: Path, given: str | None, *, may_create: bool) -> MasterKey:
    """The master key: `given` (from the environment) if there is one, else the file at `path`, made at need.

    A new file has mode 0600 and is durable before this returns. `may_create`: whether a new key makes sense, which
    it does not where spaces are stored already. Raises: MasterKeyMissing, MasterKeyUnreadable.
    """
    if given:
        return MasterKey.parse(given)
    try:
        text = path.read_text("ascii")
    except FileNotFoundError:
        if not may_create:
            raise MasterKeyMissing(str(path)) from None
        return _create(path)
    except (OSError, UnicodeDecodeError) as error:
        raise MasterKeyUnreadable(f"{path}: {error}") from error
    try:
        return MasterKey.parse(text)
    except MasterKeyUnreadable as error:
        raise MasterKeyUnreadable(f"{path}: {error.detail}") from error


def _create(path: Path) -> MasterKey:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_durably(path, Fernet.generate_key() + b"\n", mode=0o600)
    return MasterKey.parse(path.read_text("ascii"))


def is_credential(path: Path, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether `path` is where a service is handed its secrets (systemd's LoadCredential=): nothing is ever made there.

    Whatever lies there goes with the service's end; a master key made there would take all that is stored with it.
    """
    return path.is_relative_to(environ.get("CREDENTIALS_DIRECTORY") or "/run/credentials")
