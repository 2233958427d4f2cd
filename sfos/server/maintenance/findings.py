"""Findings of a verification, and the files they hurt."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, select

from sfos.protocol import SfosError
from sfos.server.catalog.schema import content_chunks, nodes, past
from sfos.server.catalog.statement import Statement
from sfos.server.disk.storage_faults import StorageFault
from sfos.server.spaces.operations.context import SpaceContext
from sfos.server.spaces.operations.destinations import path_of

_MAX_FINDINGS = 10_000  # a store that is damaged through and through need not fill memory with it
_MAX_PATHS = 100

# Whole tables are read here on purpose: what is asked for has no index, and only a verification that found damage asks.
_REFERENCES = Statement(
    select(content_chunks.c.content, content_chunks.c.chunk).where(content_chunks.c.space == bindparam("space"))
)
_LIVE_WITH = Statement(select(nodes.c.node, nodes.c.content).where(nodes.c.space == bindparam("space")))
_PAST_WITH = Statement(select(past.c.content).where(past.c.space == bindparam("space")))


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. `about`: catalog, row, digest, counters, head, list, chunk or small (small.db).

    `paths`: live files that are hurt; `versions`: how many closed states are. `unread`: nothing is known to be wrong,
    for it could not be looked at.
    """

    about: str
    detail: str
    paths: tuple[str, ...] = ()
    versions: int = 0
    unread: bool = False


class Findings:
    """Collects findings while a space is looked at."""

    def __init__(self, context: SpaceContext) -> None:
        self._context = context
        self._plain: list[Finding] = []
        self._by_content: list[tuple[str, str, bytes]] = []
        self._by_chunk: list[tuple[str, bytes, bool]] = []
        self._dropped = 0

    def add(self, about: str, detail: str, *, unread: bool = False) -> None:
        """Something that belongs to no content."""
        if self._has_room():
            self._plain.append(Finding(about, detail, unread=unread))

    def add_content(self, about: str, detail: str, content: bytes) -> None:
        """A content cannot be read."""
        if self._has_room():
            self._by_content.append((about, detail, content))

    def add_chunk(self, chunk: bytes, detail: str, *, unread: bool = False) -> None:
        """A chunk cannot be read, or could not be for now."""
        if self._has_room():
            self._by_chunk.append((detail, chunk, unread))

    def named(self) -> list[Finding]:
        """All findings, with the files that they hurt. Raises: SfosError."""
        hurt = [(about, detail, {content}, False) for about, detail, content in self._by_content]
        using = self._contents_with({chunk for _, chunk, _ in self._by_chunk})
        hurt += [("chunk", detail, using[chunk], unread) for detail, chunk, unread in self._by_chunk]
        wanted = set().union(*(contents for _, _, contents, _ in hurt)) if hurt else set()
        paths, versions = self._states_with(wanted) if wanted else ({}, {})
        found = list(self._plain)
        for about, detail, contents, unread in hurt:
            own = sorted({path for content in contents for path in paths.get(content, ())})
            count = sum(versions.get(one, 0) for one in contents)
            found.append(Finding(about, detail, tuple(own[:_MAX_PATHS]), count, unread))
        return found + self._rest()

    def nameless(self) -> list[Finding]:
        """All findings without the files that they hurt, where those cannot be asked for."""
        found = [*self._plain, *(Finding(about, detail) for about, detail, _ in self._by_content)]
        found += [Finding("chunk", detail, unread=unread) for detail, _, unread in self._by_chunk]
        return found + self._rest()

    def _rest(self) -> list[Finding]:
        return [Finding("catalog", f"{self._dropped} more findings are not listed")] if self._dropped else []

    def _has_room(self) -> bool:
        if len(self._plain) + len(self._by_content) + len(self._by_chunk) < _MAX_FINDINGS:
            return True
        self._dropped += 1
        return False

    def _contents_with(self, chunks: set[bytes]) -> dict[bytes, set[bytes]]:
        """For each chunk the contents that it is part of; its own id is the content of a file of this one chunk."""
        found = {chunk: {chunk} for chunk in chunks}
        if chunks:
            with self._context.catalog.read() as tx:
                for content, chunk in tx.each(_REFERENCES):
                    if chunk in found:
                        found[chunk].add(content)
        return found

    def _states_with(self, contents: set[bytes]) -> tuple[dict[bytes, list[str]], dict[bytes, int]]:
        paths: dict[bytes, list[str]] = {}
        versions: dict[bytes, int] = {}
        with self._context.catalog.read() as tx:
            hurt = [(node, content) for node, content in tx.each(_LIVE_WITH) if content in contents]
            for node, content in hurt:
                try:
                    path = path_of(self._context, tx, node)
                except (StorageFault, SfosError):
                    path = f"node {node}"
                paths.setdefault(content, []).append(path)
            for (content,) in tx.each(_PAST_WITH):
                if content in contents:
                    versions[content] = versions.get(content, 0) + 1
        return paths, versions
