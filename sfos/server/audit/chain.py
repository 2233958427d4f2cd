"""Chain that holds the lines of the audit log together.

    {"time":"…","event":"login","user":"alice",…,"seq":17,"prev":"<mac of line 16>","mac":"<32 hex digits>"}

`mac` is HMAC-SHA-256 over everything before it in the line, cut to 128 bits; `prev` is the `mac` of the line before
(zeros in the first). So a line can be checked by itself, and its place by its neighbour; rotation changes neither. Who
can write to the log but does not have the key can remove lines at its two ends only, and those ends are in the mark:

    {"first": 1, "last": 17, "last_mac": "…", "mac": "…"}

It never names a last line that is not durable yet, so a crash cannot make it a liar. It may lag: what was cut off
after the last mark shows nowhere (the lines of two seconds, see server.app). Who has the key, that is who reads
`secrets/`, can write any log.
"""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

import msgspec

from sfos.server.disk.durable_files import write_durably
from sfos.server.disk.private_json import read_private_json, write_private_json

KEY_FILE = "audit.key"
MARK_FILE = "audit.mark"
STRANGERS_MARK_FILE = "audit-strangers.mark"
NO_MAC = "0" * 32
_SECRET_BYTES = 32
_LABEL = b"sfos audit log, version 1"
_STRANGERS_LABEL = b"strangers"
_TAIL = re.compile(rb',"seq":([1-9][0-9]{0,17}),"prev":"([0-9a-f]{32})","mac":"([0-9a-f]{32})"\}$')
_MAC_PART = len(b',"mac":""}') + 32


class KeyUnusable(Exception):
    """The audit log's key cannot be read as one."""


@dataclass(frozen=True, slots=True)
class Link:
    """A line's number, counted from 1, its mac, and that of the line before."""

    seq: int
    mac: str
    prev: str = NO_MAC


BEGINNING = Link(0, NO_MAC)


@dataclass(frozen=True, slots=True)
class Mark:
    """The first line that the log still has, and the last that was durable when the mark was made."""

    first: int
    last: int
    last_mac: str

    @property
    def link(self) -> Link:
        return Link(self.last, self.last_mac)


class _StoredMark(msgspec.Struct, frozen=True):
    first: int
    last: int
    last_mac: str
    mac: str


class ChainKey:
    """Makes and checks the macs."""

    def __init__(self, secret: bytes, label: bytes = _LABEL) -> None:
        self._key = hmac.digest(secret, label, "sha256")

    def of_strangers(self) -> ChainKey:
        """Another key, for the files of strangers: a line of theirs is none of the log's."""
        return ChainKey(self._key, _STRANGERS_LABEL)

    def _mac(self, kind: bytes, data: bytes) -> str:
        return hmac.digest(self._key, kind + b"\0" + data, "sha256")[:16].hex()

    def bind(self, entry: bytes, before: Link) -> tuple[bytes, Link]:
        """The JSON object `entry` as a line after `before`, without its line feed; and its link."""
        seq = before.seq + 1
        line = entry[:-1] + f',"seq":{seq},"prev":"{before.mac}"'.encode()
        mac = self._mac(b"line", line)
        return line + f',"mac":"{mac}"}}'.encode(), Link(seq, mac, before.mac)

    def link_of(self, line: bytes) -> Link | None:
        """The link of a line that this key has bound; None for any other line."""
        found = _TAIL.search(line)
        if found is None or not hmac.compare_digest(self._mac(b"line", line[:-_MAC_PART]), found[3].decode()):
            return None
        return Link(int(found[1]), found[3].decode(), found[2].decode())

    def save_mark(self, path: Path, mark: Mark) -> None:
        """Durable once this returns. Raises: OSError."""
        stored = _StoredMark(mark.first, mark.last, mark.last_mac, self._mac(b"mark", _mark_bytes(mark)))
        write_private_json(path, stored)

    def load_mark(self, path: Path) -> Mark | None:
        """The mark; None if there is none. Raises: ValueError, if it is not one that this key made; OSError."""
        stored = read_private_json(path, _StoredMark)
        if stored is None:
            return None
        mark = Mark(stored.first, stored.last, stored.last_mac)
        if not hmac.compare_digest(stored.mac.encode(), self._mac(b"mark", _mark_bytes(mark)).encode()):
            raise ValueError(f"{path} was not written by this server")
        return mark


def load_key(directory: Path, *, may_create: bool = True) -> ChainKey | None:
    """The key in `directory`, made there (mode 0600) if there is none; None if none may be made.

    Raises: KeyUnusable, OSError.
    """
    path = directory / KEY_FILE
    try:
        text = path.read_text("ascii")
    except FileNotFoundError:
        if not may_create:
            return None
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        text = secrets.token_hex(_SECRET_BYTES) + "\n"
        write_durably(path, text.encode(), mode=0o600)
    except UnicodeDecodeError as error:
        raise KeyUnusable(f"{path} is not a key of the audit log") from error
    try:
        secret = bytes.fromhex(text.strip())
    except ValueError:
        secret = b""
    if len(secret) != _SECRET_BYTES:
        raise KeyUnusable(f"{path} is not a key of the audit log")
    return ChainKey(secret)


def _mark_bytes(mark: Mark) -> bytes:
    return f"{mark.first} {mark.last} {mark.last_mac}".encode()
