"""Views of a store: a thief of the disk sees nothing, the owner of the key can always open it."""

from __future__ import annotations

import base64
import sqlite3
from contextlib import closing
from pathlib import Path

from sfos import config
from sfos.protocol import Attributes, Target
from sfos.server.home import open_spaces
from tests.storage.conftest import SPACE_ID
from tests.storage.desk import Desk

SENTENCE = b"The quick brown canary sings of things that no thief shall read."
NAME = "tax-return-of-the-canary"


def open_stored_chunk(home: Path, space: str, chunk_id: bytes) -> bytes:
    """Ten lines that need cryptography, sqlite3 and base64 alone; docs/security.md shows them."""
    from cryptography.fernet import Fernet

    master = Fernet((home / "secrets/master.key").read_text().split()[0])
    directory = home / "server_storage" / space
    keys = dict(
        line.split() for line in master.decrypt((directory / "keys").read_text().split()[-1]).decode().splitlines()
    )
    with closing(sqlite3.connect(directory / "catalog.db")) as catalog:
        find = "SELECT key_no, location FROM chunks WHERE id = ?"
        key_no, location = catalog.execute(find, (chunk_id,)).fetchone()
    store, place = location.split(":")
    with closing(sqlite3.connect(directory / "small.db")) as small:
        if store == "small":
            token = small.execute("SELECT token FROM tokens WHERE location = ?", (place,)).fetchone()[0]
        else:
            token = (directory / "chunks" / place).read_bytes()
    return Fernet(keys[f"data-{key_no}"]).decrypt(base64.urlsafe_b64encode(token))[64:]


def store_canaries(home: Path) -> dict[bytes, bytes]:
    """Store the sentence in every way there is; the data of each chunk by its id."""
    registry = open_spaces(config.load(environ={"SFOS_STORAGE_FREE_SPACE_FLOOR_BYTES": "0"}, home=home))
    with registry.lease(SPACE_ID) as space:
        desk = Desk(space)
        big = (SENTENCE * 10_000)[:300_000]
        desk.put(f"/{NAME}/{NAME}.big", big)
        desk.put_many({f"/{NAME}/{NAME}.small": SENTENCE})
        link = desk.item(f"/{NAME}.link", kind="symlink", attrs=Attributes(link=f"{NAME}/elsewhere"))
        bad = desk.item(Target(path=f"/{NAME}.bad/\x07"), kind="folder")
        missing = desk.item(f"/{NAME}.link", kind="symlink", attrs=Attributes(link=NAME), if_revision="1.0")
        results, _ = desk.commit([link, bad, missing])
        assert [bool(result.error) for result in results] == [False, True, True], "errors name what they are about"
        desk.copy(f"/{NAME}", f"/{NAME}.copy")
        desk.move(f"/{NAME}/{NAME}.small", f"/{NAME}.moved")
        desk.delete(f"/{NAME}.copy")
        chunks = {record.chunk_id: piece for record, piece in desk.cut(big)}
        chunks |= {record.chunk_id: piece for record, piece in desk.cut(SENTENCE)}
        _look_for_canaries(home)  # also in what SQLite keeps beside its files while they are open
    registry.close()
    return chunks


def _look_for_canaries(home: Path) -> int:
    looked = 0
    for path in home.rglob("*"):
        assert "canary" not in path.name
        if path.is_file():
            content = path.read_bytes()
            looked += len(content)
            for canary in (
                b"canary",
                b"thief",
                NAME.encode(),
                NAME.encode("utf-16-le"),
                base64.b64encode(SENTENCE)[:40],
            ):
                assert canary not in content, f"{canary!r} lies open in {path}"
    return looked


def test_neither_contents_nor_names_lie_open_anywhere(tmp_path: Path) -> None:
    store_canaries(tmp_path)
    assert _look_for_canaries(tmp_path) > 200_000


def test_no_key_lies_open_beside_what_it_opens(tmp_path: Path) -> None:
    store_canaries(tmp_path)
    master = (tmp_path / "secrets" / "master.key").read_bytes().strip()
    registry = open_spaces(config.load(environ={}, home=tmp_path))
    with registry.inspect(SPACE_ID) as context:
        keys = context.keys
    registry.close()
    secrets = [master, keys.data[1], base64.urlsafe_b64decode(keys.data[1]), keys.name, keys.chunk_id, keys.catalog]
    for path in (tmp_path / "server_storage").rglob("*"):
        if path.is_file():
            assert not any(secret in path.read_bytes() for secret in secrets)


def test_stock_fernet_opens_every_stored_chunk_with_the_master_key_alone(tmp_path: Path) -> None:
    for chunk_id, data in store_canaries(tmp_path).items():
        assert open_stored_chunk(tmp_path, SPACE_ID, chunk_id) == data


def test_equal_names_in_different_folders_look_different(tmp_path: Path) -> None:
    registry = open_spaces(config.load(environ={}, home=tmp_path))
    with registry.lease(SPACE_ID) as space, registry.inspect(SPACE_ID) as context:
        Desk(space).put_many({f"/{folder}/same name": b"" for folder in range(10)})
        with context.catalog.read() as tx:
            rows = tx.execute("SELECT name, name_key FROM nodes WHERE parent > 1")
    registry.close()
    assert len(rows) == len({name for name, _ in rows}) == len({key for _, key in rows}) == 10


def test_everything_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    store_canaries(tmp_path)
    for path in (tmp_path / "server_storage" / SPACE_ID).rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
    assert (tmp_path / "secrets").stat().st_mode & 0o077 == 0
