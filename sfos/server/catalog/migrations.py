"""The version of a catalog's schema, and the way from one version to the next.

Each migration and its record (`spaces.schema_version`) are one transaction, so that a crash leaves the catalog at one
version or the other. To change the schema: raise SCHEMA_VERSION, change `schema`, and add the step from the version
before, in plain SQL (the tables in `schema` are those of the newest version only). `tests/storage/fixtures/` keeps a
store of each version, and a test opens every one.
"""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Callable, Mapping

from sqlalchemy import Connection, inspect, select, update

from sfos.protocol import ROOT_NODE
from sfos.server.catalog.engine import Catalog, CatalogError
from sfos.server.catalog.schema import SCHEMA_VERSION, metadata, nodes, spaces
from sfos.server.catalog.states import ROOT_NAME_KEY, ROOT_PARENT, StateKind
from sfos.server.disk.storage_faults import CatalogTooNew, CatalogUnreadable
from sfos.server.vault.rows import RowAuthenticator

_log = logging.getLogger(__name__)

Migration = Callable[[Connection, bytes], None]  # gets the connection and the space's id


def _count_entries_and_mark_small_chunks(connection: Connection, space: bytes) -> None:
    for name in ("entries_current", "small_mark"):
        connection.exec_driver_sql(f"ALTER TABLE spaces ADD COLUMN {name} BIGINT NOT NULL DEFAULT 0")
    connection.exec_driver_sql(
        "UPDATE spaces SET"
        " entries_current = (SELECT count(*) FROM nodes WHERE nodes.space = spaces.space) - 1,"
        " small_mark = (SELECT coalesce(max(CAST(substr(location, 7) AS INTEGER)), 0) FROM chunks"
        "  WHERE chunks.space = spaces.space AND location LIKE 'small:%')"
        " WHERE space = ?",
        (space,),
    )


def _count_rows(connection: Connection, space: bytes) -> None:
    """Sum up all rows, each with what `weights` says (numbers of version 3, whatever a later one says)."""
    connection.exec_driver_sql("ALTER TABLE spaces ADD COLUMN bytes_rows BIGINT NOT NULL DEFAULT 0")
    connection.exec_driver_sql(
        "UPDATE spaces SET bytes_rows ="
        " (SELECT (count(*) - 1) * 240 + coalesce(sum(length(name)), 0) + coalesce(sum(length(attrs)), 0)"
        "  FROM nodes WHERE nodes.space = spaces.space)"
        " + (SELECT count(*) * 240 + coalesce(sum(length(name)), 0) + coalesce(sum(length(attrs)), 0)"
        "  FROM past WHERE past.space = spaces.space)"
        " + (SELECT count(*) * 160 + coalesce(sum(length(reply)), 0) FROM commits WHERE commits.space = spaces.space)"
        " + (SELECT count(*) * 128 + coalesce(sum(length(list)), 0) FROM contents WHERE contents.space = spaces.space)"
        " + (SELECT count(*) * 104 FROM content_chunks WHERE content_chunks.space = spaces.space)"
        " + (SELECT count(*) * 192 FROM chunks WHERE chunks.space = spaces.space)"
        " WHERE space = ?",
        (space,),
    )


# By the version that each starts from.
MIGRATIONS: Mapping[int, Migration] = {1: _count_entries_and_mark_small_chunks, 2: _count_rows}


def create_catalog(catalog: Catalog, epoch: bytes, rows: RowAuthenticator) -> None:
    """Make the tables, the space's row and its root folder, in one transaction."""
    with catalog.core() as connection:
        metadata.create_all(connection)
        root = {
            "node": ROOT_NODE,
            "parent": ROOT_PARENT,
            "seq_from": 0,
            "kind": int(StateKind.FOLDER),
            "size": 0,
            "mtime_ns": 0,
            "name": b"",
            "attrs": None,
            "content": None,
        }
        mac = rows.mac(**root)  # type: ignore[arg-type]
        connection.execute(nodes.insert(), {"space": catalog.space, "name_key": ROOT_NAME_KEY, "mac": mac, **root})
        connection.execute(
            spaces.insert(),
            {
                "space": catalog.space,
                "epoch": epoch,
                "seq": 0,
                "horizon": 0,
                "next_node": ROOT_NODE + 1,
                "bytes_current": 0,
                "files_current": 0,
                "bytes_stored": 0,
                "bytes_rows": 0,
                "entries_current": 0,
                "store_mark": 0,
                "digest": rows.seal_digest(rows.live([mac]), epoch, 0),
                "schema_version": SCHEMA_VERSION,
                "unidata_version": unicodedata.unidata_version,
            },
        )


def migrate(catalog: Catalog, *, target: int = SCHEMA_VERSION, migrations: Mapping[int, Migration] = MIGRATIONS) -> int:
    """Bring the catalog to version `target`, a step at a time; the version that it had.

    Raises: CatalogTooNew, CatalogUnreadable; CatalogError where the disk fails.
    What a failing step did is undone, and the steps before it stay.
    """
    try:
        with catalog.core_reading() as connection:
            if not inspect(connection).has_table(spaces.name):
                raise CatalogUnreadable(f"{catalog.path}: it has no tables")
            found = connection.execute(
                select(spaces.c.schema_version, spaces.c.unidata_version).where(spaces.c.space == catalog.space)
            ).one_or_none()
    except CatalogError as error:
        if error.is_passing():
            raise
        raise CatalogUnreadable(f"{catalog.path}: {error}") from error
    if found is None:
        raise CatalogUnreadable(f"{catalog.path}: it is the catalog of another space")
    version, unidata = found
    if version > target:
        raise CatalogTooNew(f"{catalog.path}: version {version}, and this program knows {target}")
    if unidata != unicodedata.unidata_version:
        # Case folding of assigned characters is stable (unicode.org/policies/stability_policy.html), so at most names
        # with characters that were unassigned then could now be found equal.
        _log.info("%s was made with Unicode %s, this is %s", catalog.path, unidata, unicodedata.unidata_version)
    for step in range(version, target):
        with catalog.core() as connection:
            # Again, now that nobody else writes: another thread or program may have opened the catalog meanwhile.
            present = connection.execute(
                select(spaces.c.schema_version).where(spaces.c.space == catalog.space)
            ).scalar_one()
            if present > step:
                continue
            migrations[step](connection, catalog.space)
            connection.execute(update(spaces).where(spaces.c.space == catalog.space).values(schema_version=step + 1))
        _log.info("%s: migrated from version %d to %d", catalog.path, step, step + 1)
    return int(version)
