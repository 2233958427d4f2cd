"""The tables. What is here is frozen by the first stored byte; a change is a new version with a migration.

Live states (`nodes`) and closed ones (`past`) are two tables, because one costs (a page of 1,000 rows 7.9 ms against
0.55) and because its planner chooses wrong indexes. Every query bears the space. Tables of small rows are WITHOUT
ROWID; those that carry blobs are ordinary ones (a third faster).

Beyond the first sketch of this schema there are: `chunks.length` (the plain length, so that a commit's list cannot lie
about it), `chunks.pending_by` (`have` counts the caller's own pending chunks only), `content_chunks` (which chunks a
sealed list refers to, for garbage collection), `spaces.digest`, the node in the index `nodes_seq` (a page of changes
comes out of it in order, also in the middle of a commit of 100,000 rows), and the index `past_moved`, without which a
node that was moved into a folder and deleted with it would stay with whoever saw neither.

Version 2 added `spaces.entries_current` (files, folders and links, for quotas) and `spaces.small_mark` (how far
the chunk store had got, so that an older copy of it is noticed; in code `store_mark`). Version 3 added
`spaces.bytes_rows` (what all other rows take, for quotas: `weights`).
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    UniqueConstraint,
    text,
)

SCHEMA_VERSION = 3

metadata = MetaData()


def _space() -> Column[bytes]:
    return Column("space", LargeBinary(16), nullable=False)


def _integer(name: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable)


def _state_columns() -> list[Column[object]]:
    return [
        Column("kind", SmallInteger, nullable=False),
        Column("name", LargeBinary, nullable=False),
        Column("size", BigInteger, nullable=False),
        Column("mtime_ns", BigInteger, nullable=False),
        Column("attrs", LargeBinary),
        Column("content", LargeBinary(32)),
        Column("mac", LargeBinary(16), nullable=False),
    ]


def _partial(name: str, where: str) -> Index:
    condition = text(where)
    return Index(name, "space", "ended_as", "seq_to", sqlite_where=condition, postgresql_where=condition)


spaces = Table(
    "spaces",
    metadata,
    Column("space", LargeBinary(16), primary_key=True),
    Column("epoch", LargeBinary(16), nullable=False),
    _integer("seq"),
    _integer("horizon"),
    _integer("next_node"),
    _integer("bytes_current"),
    _integer("files_current"),
    _integer("bytes_stored"),
    _integer("bytes_rows"),
    _integer("entries_current"),
    Column("small_mark", BigInteger, nullable=False, key="store_mark"),  # so named in files since version 2
    Column("digest", LargeBinary(32), nullable=False),
    Column("schema_version", Integer, nullable=False),
    Column("unidata_version", String(16), nullable=False),
)

commits = Table(
    "commits",
    metadata,
    _space(),
    _integer("seq"),
    _integer("time_ms"),
    Column("actor", String(64), nullable=False),
    Column("op_id", LargeBinary(16), nullable=False),
    Column("reply", LargeBinary),
    PrimaryKeyConstraint("space", "seq"),
    UniqueConstraint("space", "op_id"),
)

nodes = Table(
    "nodes",
    metadata,
    _space(),
    _integer("parent"),
    Column("name_key", LargeBinary(16), nullable=False),
    _integer("node"),
    _integer("seq_from"),
    *_state_columns(),
    PrimaryKeyConstraint("space", "parent", "name_key"),
    UniqueConstraint("space", "node", name="nodes_node"),
    Index("nodes_seq", "space", "seq_from", "node"),
    sqlite_with_rowid=False,
)

past = Table(
    "past",
    metadata,
    _space(),
    _integer("node"),
    _integer("seq_from"),
    _integer("seq_to"),
    Column("ended_as", SmallInteger, nullable=False),
    _integer("parent"),
    Column("name_key", LargeBinary(16), nullable=False),
    *_state_columns(),
    PrimaryKeyConstraint("space", "node", "seq_from"),
    Index("past_seq", "space", "seq_to"),
    Index("past_parent", "space", "parent", "seq_to"),
    # `ended_as` is the same in every entry. It is there because of the planner, which otherwise finds these no better
    # than past_seq, takes that, and reads each of 10,000 overwritten files to see that it was not deleted.
    _partial("past_moved", "ended_as = 2"),
    _partial("past_deleted", "ended_as = 3"),
    sqlite_with_rowid=False,
)

contents = Table(
    "contents",
    metadata,
    _space(),
    Column("content", LargeBinary(32), nullable=False),
    Column("chunks", Integer, nullable=False),
    Column("key_no", Integer, nullable=False),
    Column("list", LargeBinary, nullable=False),
    PrimaryKeyConstraint("space", "content"),
)

content_chunks = Table(
    "content_chunks",
    metadata,
    _space(),
    Column("content", LargeBinary(32), nullable=False),
    Column("chunk", LargeBinary(32), nullable=False),
    PrimaryKeyConstraint("space", "content", "chunk"),
    ForeignKeyConstraint(["space", "content"], ["contents.space", "contents.content"], ondelete="CASCADE"),
    sqlite_with_rowid=False,
)

chunks = Table(
    "chunks",
    metadata,
    _space(),
    Column("id", LargeBinary(32), nullable=False),
    Column("key_no", Integer, nullable=False),
    Column("location", String(128), nullable=False),
    _integer("offset"),
    Column("sealed_len", Integer, nullable=False),
    Column("length", Integer, nullable=False),
    _integer("pending_since", nullable=True),
    Column("pending_by", String(64)),
    PrimaryKeyConstraint("space", "id"),
    Index(
        "chunks_pending",
        "space",
        "pending_since",
        sqlite_where=text("pending_since IS NOT NULL"),
        postgresql_where=text("pending_since IS NOT NULL"),
    ),
    sqlite_with_rowid=False,
)
