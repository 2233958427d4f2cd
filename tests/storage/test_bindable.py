"""Parameters as sqlite3 takes them fastest: what is stored and found is the same, and the reason for them still holds.

An update of Python can fail both. If the last test fails, `bindable` has nothing to do any more: take it out.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing

from sfos.server.disk.sqlite import bindable

VALUES = [b"", b"\x00\xff", b"text", "text", 2**62, -1, 0.5, None]

# In a process of its own: adapters are of the whole process.
COUNT_ADAPTATIONS = """
import sqlite3, sys
from sfos.server.disk.sqlite import bindable

asked = []
sqlite3.register_adapter(bytes, lambda value: asked.append(value) or value)
connection = sqlite3.connect(":memory:")
connection.execute("SELECT ?, ?", bindable([b"a", b"b"]))
connection.execute("SELECT ?", (b"plain",))
connection.close()
print(asked)
"""


def test_what_is_bound_is_stored_and_found_as_the_value_that_it_was() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE kept (number INTEGER PRIMARY KEY, value)")
        rows = [value for number, value in enumerate(VALUES) for value in (number, value)]
        marks = ", ".join(["(?, ?)"] * len(VALUES))
        connection.execute(f"INSERT INTO kept VALUES {marks}", bindable(rows))
        kept = [value for (value,) in connection.execute("SELECT value FROM kept ORDER BY number")]
        assert kept == VALUES
        assert [type(value) for value in kept] == [type(value) for value in VALUES]
        for number, value in enumerate(VALUES):
            for parameters in ([value], bindable([value])):
                found = connection.execute("SELECT number FROM kept WHERE value IS ?", parameters).fetchall()
                assert found == [(number,)], value


def test_sqlite3_looks_for_an_adapter_of_bytes_and_of_nothing_that_is_bindable() -> None:
    done = subprocess.run([sys.executable, "-c", COUNT_ADAPTATIONS], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[b'plain']\n", "")
