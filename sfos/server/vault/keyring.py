"""The keys of one space and the file that keeps them.

The file `keys` in the space's directory is one line: `sfos-keys-1`, the fingerprint of the master key, and a stock
Fernet token. The token's content is text, a name and a value a line, so that ten lines of Python read it:

    space <32 hex digits>        which space these keys belong to
    data-1 <Fernet key>          seals chunks and lists; data-2, … after a rotation; the highest is the current one
    name <base64, 64 bytes>      AES-SIV: names, attributes, stored replies
    chunk-id <base64, 32 bytes>  keyed BLAKE3: names chunks and contents; the space's clients know it
    cut-seed <decimal>           where clients cut; they know it too
    catalog <base64, 32 bytes>   authenticates rows; its derivatives key the hash of names

It lies beside the catalog and not in it, so that chunks can be recovered where the catalog is lost, a rotation of
the master key rewrites one small file, and shredding a space means overwriting that file.
"""

from __future__ import annotations

import base64
import dataclasses
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.fernet import Fernet

from sfos.server.disk.durable_files import write_durably
from sfos.server.disk.storage_faults import KeysDamaged, MasterKeyWrong
from sfos.server.vault.master import LiveMasterKey, MasterKey

KEYS_FILE = "keys"
_MAGIC = "sfos-keys-1"
_CUT_SEED_BITS = 63  # integers on the wire are bounded to ±2⁶³


@dataclass(frozen=True, slots=True)
class SpaceKeys:
    """The keys of one space. `space`: its id, 16 bytes. `data`: Fernet keys by number."""

    space: bytes
    data: dict[int, bytes] = field(repr=False)
    name: bytes = field(repr=False)
    chunk_id: bytes = field(repr=False)
    cut_seed: int = field(repr=False)
    catalog: bytes = field(repr=False)

    @classmethod
    def generate(cls, space: bytes) -> SpaceKeys:
        """New random keys."""
        return cls(
            space=space,
            data={1: Fernet.generate_key()},
            name=secrets.token_bytes(64),
            chunk_id=secrets.token_bytes(32),
            cut_seed=secrets.randbits(_CUT_SEED_BITS),
            catalog=secrets.token_bytes(32),
        )

    @property
    def current(self) -> int:
        """The number of the data key that seals now."""
        return max(self.data)

    def with_new_data_key(self) -> SpaceKeys:
        """These keys and a new data key, which seals from now on; the others still open what they have sealed."""
        return dataclasses.replace(self, data={**self.data, self.current + 1: Fernet.generate_key()})

    def extends(self, older: SpaceKeys) -> bool:
        """Whether these are the keys of `older`, and perhaps further data keys: all that those opened, these open."""
        same_data = all(self.data.get(number) == key for number, key in older.data.items())
        return same_data and dataclasses.replace(self, data=older.data) == older

    def to_text(self) -> str:
        """The content of the wrapped token."""
        lines = [("space", self.space.hex())]
        lines += [(f"data-{number}", key.decode("ascii")) for number, key in sorted(self.data.items())]
        lines += [
            ("name", _b64(self.name)),
            ("chunk-id", _b64(self.chunk_id)),
            ("cut-seed", str(self.cut_seed)),
            ("catalog", _b64(self.catalog)),
        ]
        return "".join(f"{name} {value}\n" for name, value in lines)

    @classmethod
    def from_text(cls, text: str) -> SpaceKeys:
        """The keys of a wrapped token's content. Raises: KeysDamaged."""
        try:
            values = dict(line.split(" ", 1) for line in text.splitlines())
            keys = cls(
                space=bytes.fromhex(values.pop("space")),
                name=_unb64(values.pop("name"), 64),
                chunk_id=_unb64(values.pop("chunk-id"), 32),
                cut_seed=int(values.pop("cut-seed")),
                catalog=_unb64(values.pop("catalog"), 32),
                data={
                    int(name.removeprefix("data-")): value.encode("ascii")
                    for name, value in values.items()
                    if name.startswith("data-")
                },
            )
        except (KeyError, ValueError) as error:
            raise KeysDamaged("their content is not what it should be") from error
        if not keys.data or len(keys.space) != 16:
            raise KeysDamaged("a key is missing")
        return keys


def write_keys(directory: Path, keys: SpaceKeys, master: MasterKey) -> None:
    """Put the keys file of the space at `directory` in place, durably, mode 0600."""
    line = f"{_MAGIC} {master.fingerprints()[0]} {master.wrap(keys.to_text().encode()).decode('ascii')}\n"
    write_durably(directory / KEYS_FILE, line.encode("ascii"), mode=0o600)


def read_keys(directory: Path, space: bytes, master: MasterKey) -> SpaceKeys:
    """The keys of `space`, whose directory is `directory`.

    Raises: MasterKeyWrong, KeysDamaged (also if there is no such file), OSError where the file cannot be read now.
    """
    path = directory / KEYS_FILE
    fingerprint, token = _read_file(path)
    plain = master.unwrap(token.encode("ascii"))
    if plain is None:
        if fingerprint in master.fingerprints():
            raise KeysDamaged(f"{path}: it does not open")
        raise MasterKeyWrong(f"{path} needs the key with fingerprint {fingerprint}")
    keys = SpaceKeys.from_text(plain.decode("utf-8", "replace"))
    if keys.space != space:
        raise KeysDamaged(f"{path}: it belongs to space {keys.space.hex()}")
    return keys


def read_keys_now(directory: Path, space: bytes, live: LiveMasterKey) -> SpaceKeys:
    """`read_keys` beside a rotation, which may have changed the master key file a moment ago. Raises: the same."""
    while True:
        master = live.current()
        try:
            return read_keys(directory, space, master)
        except MasterKeyWrong:
            if live.current() is master:
                raise


def wrapped_under(directory: Path) -> str:
    """The fingerprint of the master key that the keys file was written under. Raises: KeysDamaged."""
    return _read_file(directory / KEYS_FILE)[0]


def _read_file(path: Path) -> tuple[str, str]:
    """(Fingerprint, token). Raises: KeysDamaged."""
    try:
        magic, fingerprint, token = path.read_text("ascii").split()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise KeysDamaged(f"{path}: not there") from error
    except ValueError as error:
        raise KeysDamaged(f"{path}: {type(error).__name__}") from error
    if magic != _MAGIC:
        raise KeysDamaged(f"{path}: not a keys file of this version")
    return fingerprint, token


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode("ascii")


def _unb64(text: str, size: int) -> bytes:
    data = base64.urlsafe_b64decode(text)
    if len(data) != size:
        raise ValueError("wrong length")
    return data
