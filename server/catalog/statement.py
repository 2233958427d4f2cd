"""Core expressions compiled once per dialect and run on the driver's own cursor.

Measured: a primary-key lookup through SQLAlchemy's `Connection.execute` costs 100 µs, through the cursor 6. A request
of five statements feels that, a commit of 5,000 items even more. Core still writes the SQL, so that it fits every
dialect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, TypeAlias

from sqlalchemy import ClauseElement
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import SQLCompiler

Row: TypeAlias = tuple[Any, ...]
Parameters: TypeAlias = Mapping[str, object]


class Statement:
    """An expression whose parameters are `bindparam`s (or a table's columns, in an insert)."""

    def __init__(self, expression: ClauseElement, *, columns: Sequence[str] | None = None) -> None:
        """`columns`: for an insert, the columns that it fills (default: all)."""
        self.expression = expression
        self._columns = columns
        self._compiled: dict[str, tuple[str, tuple[str, ...], dict[str, object]]] = {}

    def sql(self, dialect: Dialect) -> str:
        """The text of the statement."""
        return self._for(dialect)[0]

    def bind(self, dialect: Dialect, parameters: Parameters) -> tuple[str, tuple[object, ...]]:
        """(The text, its parameters in order). Raises: KeyError for one that is missing."""
        text, order, constants = self._for(dialect)
        if constants:
            parameters = {**constants, **parameters}
        return text, tuple([_bindable(parameters[name]) for name in order])

    def bind_rows(
        self, dialect: Dialect, fields: Sequence[str], rows: Iterable[tuple[object, ...]]
    ) -> tuple[str, list[tuple[object, ...]]]:
        """(The text, the parameters of each row in order). `fields` names what is where in the rows."""
        text, order, constants = self._for(dialect)
        assert not constants, "a statement for many rows takes all of its values from them"
        pick = itemgetter(*[fields.index(name) for name in order])
        # `_bindable`, written out: a commit of 5,000 files binds 125,000 values.
        return text, [
            tuple([bytearray(value) if type(value) is bytes else value for value in pick(row)]) for row in rows
        ]

    def _for(self, dialect: Dialect) -> tuple[str, tuple[str, ...], dict[str, object]]:
        found = self._compiled.get(dialect.name)
        if found is None:
            compiled = self.expression.compile(dialect=dialect, column_keys=self._columns)
            assert isinstance(compiled, SQLCompiler)
            order = tuple(compiled.positiontup or ())
            constants = {
                name: bind.value
                for name, bind in compiled.binds.items()
                if not bind.required and bind.value is not None
            }
            found = self._compiled[dialect.name] = (str(compiled), order, constants)
        return found


def _bindable(value: object) -> object:
    """The same value as sqlite3 takes it fastest.

    For bytes, unlike bytearray, it first asks in vain for an adapter: 3,300 instructions each, against 600.
    """
    return bytearray(value) if type(value) is bytes else value


class InStatement:
    """A family of statements that take many values of one kind (`… IN (…)`), a block of them at a time."""

    _BLOCKS = (256, 64, 16, 4, 1)

    def __init__(self, build: Callable[[list[str]], ClauseElement]) -> None:
        """`build` gets the names of the parameters that bear the values."""
        self.statements = {
            size: Statement(build([f"value_{number}" for number in range(size)])) for size in self._BLOCKS
        }

    def blocks(self, values: Sequence[object]) -> Iterable[tuple[Statement, dict[str, object]]]:
        """The statements that cover `values`, each with its parameters; the last value may be asked for twice."""
        at = 0
        while at < len(values):
            left = len(values) - at
            # The smallest that takes all that is left, if it is half full; else the largest that is filled.
            size = min((size for size in self._BLOCKS if left <= size < 2 * left), default=0)
            size = size or next(size for size in self._BLOCKS if size <= left)
            block = list(values[at : at + size])
            block += block[-1:] * (size - len(block))
            yield self.statements[size], {f"value_{number}": value for number, value in enumerate(block)}
            at += size
