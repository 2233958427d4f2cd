"""Bytes that change by themselves, or by someone's hand: flipped, cut, exchanged, gone."""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sfos.protocol import SfosError
from sfos.server.maintenance.verify import verify_space
from sfos.server.spaces.operations.context import SpaceContext
from tests.storage.after_crash import start_over
from tests.storage.crashing import SPACE_ID, open_registry
from tests.storage.desk import Desk
from tests.torture.scenario import Context, Figures, Scenario

FILES = 40
VERIFIED_EVERY = 50  # opening everything takes long beside opening one file
Damage = Callable[[bytes, bytes, random.Random], bytes | None]


@dataclass(frozen=True)
class Place:
    """Where a chunk's token lies: a file, or a row of small.db."""

    directory: Path
    location: str

    def read(self) -> bytes:
        store, _, where = self.location.partition(":")
        if store == "disk":
            return (self.directory / "chunks" / where).read_bytes()
        with closing(sqlite3.connect(self.directory / "small.db")) as small:
            (token,) = small.execute("SELECT token FROM tokens WHERE location = ?", (int(where),)).fetchone()
        return bytes(token)

    def write(self, token: bytes | None) -> None:
        """Put `token` there, or nothing at all."""
        store, _, where = self.location.partition(":")
        if store == "disk":
            path = self.directory / "chunks" / where
            if token is None:
                path.unlink()
            else:
                path.write_bytes(token)
            return
        with closing(sqlite3.connect(self.directory / "small.db", isolation_level=None)) as small:
            if token is None:
                small.execute("DELETE FROM tokens WHERE location = ?", (int(where),))
            else:
                small.execute(
                    "INSERT OR REPLACE INTO tokens (location, chunk, stored_ms, token) VALUES (?, ?, 0, ?)",
                    (int(where), os.urandom(32), token),
                )


def _flipped(token: bytes, _other: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(token))
    return token[:at] + bytes([token[at] ^ 1 << dice.randrange(8)]) + token[at + 1 :]


DAMAGES: dict[str, Damage] = {
    "flipped": _flipped,
    "truncated": lambda token, _, dice: token[: dice.randrange(len(token))],
    "lengthened": lambda token, _, dice: token + dice.randbytes(dice.randrange(1, 50)),
    "swapped": lambda _, other, dice: other,
    "spliced": lambda token, other, dice: token[: (cut := dice.randrange(1, len(token)))] + other[cut:],
    "overwritten": lambda token, _, dice: dice.randbytes(len(token)),
    "zeroed": lambda token, _, dice: bytes(len(token)),
    "removed": lambda token, _, dice: None,
}


def run(context: Context) -> Figures:
    """One damage after another, in files that a client then reads; each is mended before the next."""
    home = context.workplace / "home"
    start_over(home)
    with closing(open_registry(home)) as registry, registry.lease(SPACE_ID) as space:
        desk = Desk(space)
        contents = _fill(desk, context.random)
        with registry.inspect(SPACE_ID) as inner:
            places = _places(inner)
            while context.going():
                _one_round(context, inner, desk, contents, places)
    return context.figures()


def _fill(desk: Desk, dice: random.Random) -> dict[str, bytes]:
    """Files of one and of several chunks, small and large; two of the same length each, so that they can be swapped."""
    contents: dict[str, bytes] = {}
    for number in range(FILES):
        size = dice.choice((1, 40, 3_000, 90_000, 170_000)) if number % 2 == 0 else len(contents[f"/{number - 1}"])
        contents[f"/{number}"] = dice.randbytes(size)
        desk.put(f"/{number}", contents[f"/{number}"])
    return contents


def _places(inner: SpaceContext) -> dict[bytes, Place]:
    """Every chunk's place."""
    with inner.catalog.read() as tx:
        rows = tx.execute("SELECT id, location FROM chunks")
    return {bytes(chunk): Place(inner.directory, str(location)) for chunk, location in rows}


def _one_round(
    context: Context, inner: SpaceContext, desk: Desk, contents: dict[str, bytes], places: dict[bytes, Place]
) -> None:
    dice = context.random
    path = dice.choice(sorted(contents))
    chunk = dice.choice([record.chunk_id for record, _ in desk.cut(contents[path])])
    place = places[chunk]
    token = place.read()
    others = sorted(set(places) - {chunk})
    same_length = [one for one in others if len(places[one].read()) == len(token)] if dice.random() < 0.1 else []
    kind, damage = dice.choice(sorted(DAMAGES.items()))
    other = places[dice.choice(same_length or others)].read()
    damaged = damage(token, other, dice)
    if damaged == token:
        return
    place.write(damaged)
    context.count("damaged tokens")
    context.count(kind)
    try:
        found = desk.read(path)
    except SfosError:
        context.count("found by reading")
    else:
        context.broken(f"{kind} token of {path} read back as {len(found)} bytes, equal: {found == contents[path]}")
    if dice.randrange(VERIFIED_EVERY) == 0:
        named = {one for finding in verify_space(inner, full=True).findings for one in finding.paths}
        context.count("verified with one damage")
        if path not in named:
            context.broken(f"verify does not name {path}, whose token was {kind}, but {sorted(named)}")
    place.write(token)
    if desk.read(path) != contents[path]:
        context.broken(f"{path} does not read back after its token was put back")


SCENARIO = Scenario(
    name="damaged-tokens",
    promise="Stored bytes that are flipped, cut or exchanged are never given out as data, and verify names the file.",
    figure="10,000 damaged tokens, every one detected",
    goal={"damaged tokens": 10_000, "found by reading": 10_000},
    run=run,
)
