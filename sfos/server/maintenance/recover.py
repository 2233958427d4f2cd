"""All files out of a space's directory with the master key alone: no server, no accounts, no sound store needed.

What is whole comes out whole. A file that lacks some of its chunks comes out as `<name>.incomplete`, with zeros where
they belong; what has no folder any more comes out below `lost+found`; and where the catalog is gone, every chunk that
opens, below `chunks` (a file of at most one chunk is one). All else is said, never passed over.
"""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import msgspec
from cryptography.fernet import Fernet, InvalidToken

from sfos.protocol import RECORD, ROOT_NODE, Attributes, SfosError, check_name, chunk_id, content_id, decoder_of
from sfos.server.catalog.states import ROOT_PARENT, State, StateKind, mac_of
from sfos.server.disk.storage_faults import StorageFault, TokenDamaged
from sfos.server.maintenance.salvage import Remains
from sfos.server.vault.keyring import SpaceKeys, read_keys
from sfos.server.vault.master import MasterKey
from sfos.server.vault.names import NameSealer
from sfos.server.vault.rows import RowAuthenticator

_SCRATCH = ".recovering"
_LOST_AND_FOUND = "lost+found"
_CHUNKS = "chunks"
_NAME_BYTES = 255
_HEADER_BYTES = 64
_HEADER = struct.Struct(">4sBBBBI16s32sI")


_Later = list[tuple[Path, State]]


class NotEmpty(StorageFault):
    """The directory to write to is not empty; nothing was written."""


@dataclass(slots=True)
class Recovered:
    """Result of a recovery. `losses`: a sentence for each thing that did not come out, or not as it was."""

    files: int = 0
    incomplete: int = 0
    folders: int = 0
    links: int = 0
    bytes: int = 0
    chunks: int = 0
    losses: list[str] = field(default_factory=list)


def recover_space(directory: Path, space_id: str, master: MasterKey, target: Path) -> Recovered:
    """Write all live files of the space in `directory` into `target`, which is made, or is empty.

    Reads `directory` only, and writes nothing outside `target`. Raises: NotEmpty, MasterKeyWrong, KeysDamaged (without
    its keys nothing of a space can be read), ReadingRefused, OSError for `target` itself.
    """
    keys = read_keys(directory, bytes.fromhex(space_id), master)
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(target.iterdir()):
        raise NotEmpty(str(target))
    scratch = target / _SCRATCH
    scratch.mkdir(mode=0o700)
    try:
        with Remains(directory, keys, scratch) as remains:
            return _Recovery(remains, keys, target).run()
    finally:
        shutil.rmtree(scratch)


class _Recovery:
    """One recovery at work."""

    def __init__(self, remains: Remains, keys: SpaceKeys, target: Path) -> None:
        self._remains = remains
        self._keys = keys
        self._target = target
        self._names = NameSealer(keys)
        self._rows = RowAuthenticator(keys)
        self._lists: dict[bytes, tuple[int, int, bytes]] = {}
        self._done = Recovered()

    def run(self) -> Recovered:
        states = {state.node: state for state in self._remains.states()}
        self._lists = self._remains.lists()
        folders: _Later = []
        links: _Later = []
        for place, state in self._placed(states):
            try:
                self._recover(place, state, folders, links)
            except OSError as error:
                self._lose(place, f"cannot be written: {error.strerror or error}")
        for place, state in reversed(folders):  # after all is in them, or their times would change again
            with contextlib.suppress(OSError):
                _set_attributes(place, state, self._attributes(state))
        for place, state in links:  # last: nothing that was written has gone through one of them
            self._recover_link(place, state)
        counted = self._remains.files_counted()
        found = sum(state.kind == StateKind.FILE for state in states.values())
        if counted is not None and counted != found:
            self._done.losses.append(f"the catalog counted {counted} files, and rows of {found} can be read")
        if not states:
            self._recover_chunks()
        self._done.losses += self._remains.losses
        if changed := self._remains.changed():
            what = " and ".join(changed)
            self._done.losses.append(f"{what} changed meanwhile: a server is at work; stop it and recover once more")
        return self._done

    # --- where everything goes --------------------------------------------------------------------------------

    def _placed(self, states: dict[int, State]) -> Iterator[tuple[Path, State]]:
        """Each node with its path, folders before what is in them."""
        children: dict[int, list[State]] = {}
        for state in states.values():
            if state.parent != ROOT_PARENT:
                children.setdefault(state.parent, []).append(state)
        yield from self._below(children, ROOT_NODE, self._target)
        found: Path | None = None
        while children:
            # Whose folder's row is lost; or, if rows contradict each other, any.
            parent = next((one for one in children if one not in states), next(iter(children)))
            if found is None:
                found = _free(self._target / _LOST_AND_FOUND)
                found.mkdir(mode=0o700)
            place = found / f"folder-{parent}"
            place.mkdir(mode=0o700)
            self._done.losses.append(f"{self._shown(place)}: where this folder was is not known any more")
            yield from self._below(children, parent, place)

    def _below(self, children: dict[int, list[State]], folder: int, place: Path) -> Iterator[tuple[Path, State]]:
        waiting = [(folder, place)]
        while waiting:
            folder, place = waiting.pop()
            for state in children.pop(folder, ()):
                own = place / self._name(state, place)
                yield own, state
                if state.is_folder:
                    waiting.append((state.node, own))

    def _name(self, state: State, place: Path) -> str:
        """A name without any way out of the folder: what was opened is checked again as if it came from outside."""
        try:
            return check_name(self._names.open_name(state.parent, state.name))
        except (TokenDamaged, SfosError, UnicodeDecodeError):
            name = _free(place / f"node-{state.node}").name
            self._lose(place / name, "its name cannot be read")
            return name

    # --- one after the other ----------------------------------------------------------------------------------

    def _recover(self, place: Path, state: State, folders: _Later, links: _Later) -> None:
        if mac_of(self._rows, state) != state.mac:
            self._lose(place, "its row is not authentic: content, size or time may be another's")
        if state.is_folder:
            place.mkdir(mode=0o700)
            folders.append((place, state))
            self._done.folders += 1
        elif state.kind == StateKind.SYMLINK:
            links.append((place, state))
        else:
            self._recover_file(place, state)

    def _recover_link(self, place: Path, state: State) -> None:
        link = self._attributes(state).link
        if link is None:
            self._lose(place, "where this link points cannot be read")
            return
        try:
            place.symlink_to(link)
        except OSError as error:
            self._lose(place, f"cannot be written: {error.strerror or error}")
        else:
            self._done.links += 1

    def _recover_file(self, place: Path, state: State) -> None:
        try:
            records = self._records(state)
        except TokenDamaged as error:
            self._lose(place, f"lost: {error.detail}")
            return
        if place.exists():
            place = _free(place)
            self._lose(place, "something of the same name was there already")
        missing = self._write(place, records)
        if len(missing) == len(records) > 0:
            place.unlink()
            (_, why), *_ = missing
            self._lose(place, f"lost: {why}")
            return
        if missing:
            stem = place.name.encode()[: _NAME_BYTES - 20].decode("utf-8", "ignore")
            whole, place = place, _free(place.with_name(f"{stem}.incomplete"))
            whole.rename(place)
            self._done.incomplete += 1
            for (first, end), why in missing:
                self._lose(place, f"bytes {first} to {end - 1} are lost: {why}")
        else:
            self._done.files += 1
        self._done.bytes += place.stat().st_size
        _set_attributes(place, state, self._attributes(state))

    def _write(self, place: Path, records: list[tuple[bytes, int]]) -> list[tuple[tuple[int, int], str]]:
        """Write what can be read; ((first byte, end), why) of each chunk that cannot."""
        missing: list[tuple[tuple[int, int], str]] = []
        with _new_file(place) as file:
            at = 0
            for chunk, length in records:
                try:
                    data = self._remains.chunk(chunk, length)
                    if chunk_id(self._keys.chunk_id, data) != chunk:
                        raise TokenDamaged(f"chunk {chunk.hex()[:16]}…: its data are not those of its id")
                    file.write(data)
                except TokenDamaged as error:
                    missing.append(((at, at + length), error.detail))
                    file.seek(length, os.SEEK_CUR)
                at += length
            file.truncate(at)
        return missing

    def _records(self, state: State) -> list[tuple[bytes, int]]:
        """The chunks of a file. Raises: TokenDamaged."""
        content = state.content
        if content is None:
            raise TokenDamaged("its row does not say what is in it")
        if state.size == 0:
            return []
        listed = self._lists.get(content)
        if listed is None:
            return [(content, state.size)]
        packed = self._remains.open_list(content, *listed, RECORD.size)
        if content_id(self._keys.chunk_id, packed) != content:
            raise TokenDamaged("its list of chunks is of another content")
        return list(RECORD.iter_unpack(packed))

    def _attributes(self, state: State) -> Attributes:
        try:
            if state.attrs is not None:
                return decoder_of(Attributes).decode(self._names.open_attrs(state.node, state.attrs))
        except (TokenDamaged, msgspec.MsgspecError):
            self._done.losses.append(f"node {state.node}: its attributes cannot be read")
        return Attributes()

    # --- without a catalog --------------------------------------------------------------------------------------

    def _recover_chunks(self) -> None:
        """Every chunk that opens, by its id: a stock Fernet decryption, for no row says its length or key."""
        keys = {number: Fernet(key) for number, key in self._keys.data.items()}
        for location, stored_id in self._remains.stored():
            try:
                data = _opened(keys, self._remains.token(location))
            except TokenDamaged as error:
                self._done.losses.append(f"{location}: {error.detail}")
                continue
            if chunk_id(self._keys.chunk_id, data) != stored_id:
                self._done.losses.append(f"{location}: its data are not those of its id")
                continue
            place = self._target / _CHUNKS / stored_id.hex()
            place.parent.mkdir(mode=0o700, exist_ok=True)
            if not place.exists():
                with _new_file(place) as file:
                    file.write(data)
                self._done.chunks += 1
                self._done.bytes += len(data)
        if self._done.chunks:
            self._done.losses.append("no row of a file can be read: names are lost, and files of several chunks")

    def _lose(self, place: Path, why: str) -> None:
        self._done.losses.append(f"{self._shown(place)}: {why}")

    def _shown(self, place: Path) -> str:
        return f"/{place.relative_to(self._target)}"


def _opened(keys: dict[int, Fernet], token: bytes | bytearray | memoryview) -> bytes:
    """The data of a token of which nothing is known. Raises: TokenDamaged."""
    text = base64.urlsafe_b64encode(token)
    for fernet in keys.values():
        with contextlib.suppress(InvalidToken):
            plain = fernet.decrypt(text)
            if len(plain) >= _HEADER_BYTES and _HEADER.unpack_from(plain)[-1] == len(plain) - _HEADER_BYTES:
                return plain[_HEADER_BYTES:]
    raise TokenDamaged("not authentic")


@contextlib.contextmanager
def _new_file(place: Path) -> Iterator[BinaryIO]:
    """A new file to write, which is removed where that fails: half of it must not lie under its name."""
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
    except BaseException:
        place.unlink()
        raise


def _set_attributes(place: Path, state: State, attributes: Attributes) -> None:
    if attributes.mode is not None:
        # Whoever recovers has to be able to read it, and nobody gets to run it as someone else.
        place.chmod(attributes.mode & 0o777 | (0o700 if state.is_folder else 0o600))
    with contextlib.suppress(OverflowError):
        os.utime(place, ns=(state.mtime_ns, state.mtime_ns))


def _free(place: Path) -> Path:
    """`place`, or the first of `place-1`, `place-2`, … that is not there."""
    found, number = place, 0
    while os.path.lexists(found):
        number += 1
        found = place.with_name(f"{place.name}-{number}")
    return found
