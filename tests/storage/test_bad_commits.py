"""Commits that lack nearly everything: a proper answer, however much there is to complain of."""

from __future__ import annotations

import os

from sfos.protocol import MAX_BODY, MAX_COMMIT_ITEMS, ChunkRecord, MissingChunks, Target, pack_commit, pack_results
from sfos.server.spaces.space import Space
from sfos.server.spaces.stored_answers import pack_items_done
from tests.storage.desk import Desk

MOST_MISSING = 32_768  # so many ids a reply names; who lacks more asks again


def lacking(count: int) -> list[ChunkRecord]:
    return [ChunkRecord(os.urandom(32), 1_000) for _ in range(count)]


def test_a_commit_of_which_more_is_missing_than_a_reply_can_name_is_answered(desk: Desk) -> None:
    records = lacking(40_000)
    items = [desk.item(f"/{number}", records[number * 1_000 : (number + 1) * 1_000]) for number in range(40)]
    results, missing = desk.commit([*items, desk.item("/empty")], records)
    assert {result.error and result.error.code for result in results[:-1]} == {MissingChunks.code}
    assert results[-1].error is None
    assert missing == [record.chunk_id for record in records[:MOST_MISSING]]
    assert desk.tree() == {"/empty": b""}


def test_as_many_complaints_as_a_commit_can_cause_fit_one_reply(desk: Desk, space: Space) -> None:
    """The longest names, one missing chunk each; the ids beside them are bounded."""
    longest = ("\N{LINEAR B SYLLABLE B008 A}" * 63 + "/") * 15
    records = lacking(100)
    items = [desk.item(Target(path=f"/{longest}{number}"), records[number : number + 1]) for number in range(100)]
    request, body = pack_commit(os.urandom(16), items, records)
    reply, answer = pack_items_done(desk.send_commit(request, body))
    assert reply.missing == 100
    most = reply.results_bytes / 100 * MAX_COMMIT_ITEMS + len(pack_results([], [bytes(32)] * MOST_MISSING)[2])
    assert most < MAX_BODY
    assert len(answer) > 100 * 250, "the names are in it"
