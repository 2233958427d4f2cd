"""Rows with values that no program of ours writes: SQLite keeps any number, text or bytes in any column, if someone
puts them there.

Reading them is an error of some type wherever they are met first. Nobody looks for them before: to look at each value
of each row would cost every request something, and this here reads whole tables.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from sqlalchemy import Column, Table, and_, bindparam, func, or_, select
from sqlalchemy.types import Integer, LargeBinary

from sfos.server.catalog.engine import Catalog, Transaction
from sfos.server.catalog.schema import metadata, nodes, past, spaces
from sfos.server.catalog.statement import Row, Statement
from sfos.server.catalog.states import EndedAs, StateKind
from sfos.server.disk.storage_faults import CatalogUnreadable

# How reading one shows, wherever it is met first; but so do mistakes of this program.
SHOWN_AS = (TypeError, ValueError, AttributeError, LookupError)
# And a number that no row can hold. What clients send is bounded: such a number came out of the catalog.
NUMBERS_SHOWN_AS = (struct.error, OverflowError)

_AS_SQLITE_SAYS = {int: "integer", float: "real", str: "text", bytes: "blob", type(None): "null"}
_NUMBERS = {nodes.c.kind: StateKind, past.c.kind: StateKind, past.c.ended_as: EndedAs}
_MOST_SHOWN = 32  # characters of a key


def _right_type(column: Column[object]) -> str:
    if isinstance(column.type, LargeBinary):
        return "blob"
    return "integer" if isinstance(column.type, Integer) else "text"


def _rows_with_any(table: Table) -> Statement:
    wrong = []
    for column in table.c:
        kind = func.typeof(column)
        wrong.append(
            and_(kind != _right_type(column), kind != "null") if column.nullable else kind != _right_type(column)
        )
        if column in _NUMBERS:
            wrong.append(or_(column < min(_NUMBERS[column]), column > max(_NUMBERS[column])))
    return Statement(select(*table.c).where(table.c.space == bindparam("space"), or_(*wrong)))


_TABLES = tuple(metadata.tables.values())
_ROWS_WITH_ANY = tuple(_rows_with_any(table) for table in _TABLES)
_ROW_OF_SPACE = _ROWS_WITH_ANY[_TABLES.index(spaces)]


def wrong_values(tx: Transaction) -> Iterator[str]:
    """Wrong values of all tables, each as a sentence that names row and value. Raises: SfosError, as the transaction
    ends."""
    for table, statement in zip(_TABLES, _ROWS_WITH_ANY, strict=True):
        yield from _wrong_in(tx, table, statement)


def first_wrong_value(catalog: Catalog) -> str | None:
    """The first catalog value that this program cannot have written, or None. Scans all tables. Raises: SfosError."""
    with catalog.read() as tx:
        return next(wrong_values(tx), None)


def check_space_row(tx: Transaction) -> None:
    """Check the row of the space alone, which every opening can afford. Raises: CatalogUnreadable."""
    for wrong in _wrong_in(tx, spaces, _ROW_OF_SPACE):
        raise CatalogUnreadable(wrong)


def _wrong_in(tx: Transaction, table: Table, statement: Statement) -> Iterator[str]:
    for row in tx.each(statement):
        for column, value in zip(table.c, row, strict=True):
            if why := _why_wrong(column, value):
                yield f"{table.name}, row {_key(table, row)}: {column.name} {why}"


def _why_wrong(column: Column[object], value: object) -> str | None:
    found = _AS_SQLITE_SAYS[type(value)]
    if found != _right_type(column) and not (column.nullable and value is None):
        return f"is {found} instead of {_right_type(column)}"
    if column in _NUMBERS and value not in tuple(_NUMBERS[column]):
        return f"is {value}"
    return None


def _key(table: Table, row: Row) -> str:
    """Primary key of the row as text, without the space."""
    values = [
        value for column, value in zip(table.c, row, strict=True) if column.primary_key and column.name != "space"
    ]
    shown = [value.hex() if isinstance(value, bytes) else f"{value}" for value in values]
    return " ".join(f"{one[:_MOST_SHOWN]!a}" for one in shown) or "of the space"
