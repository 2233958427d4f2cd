"""Requests that are sent again, told from others that bear the same op_id."""

from __future__ import annotations

from typing import Any

import msgspec
from blake3 import blake3

from sfos.protocol import RECORD, Buffer, ChangingRequest, CommitRequest
from sfos.server.spaces.operations.context import FINGERPRINT_BYTES, Caller, IdempotencyKey

_encoder = msgspec.json.Encoder()


def idempotency_key(caller: Caller, request: ChangingRequest[Any], body: Buffer = b"") -> IdempotencyKey:
    """The key of the change that is asked for: of its type, its caller, all that it says, and `body`."""
    # Kept in catalogs: what is hashed stays as it is, or answers given before an update are not found after it.
    asked = _encoder.encode((type(request).__name__, caller.actor, request))
    hasher = blake3(len(asked).to_bytes(4, "big") + asked)
    hasher.update(bytes(body))
    return IdempotencyKey(request.op_id, hasher.digest(length=FINGERPRINT_BYTES))


def commit_key(caller: Caller, request: CommitRequest, body: Buffer) -> IdempotencyKey:
    """The key of a commit, without the data that it brings along in `body`.

    The records say what those are, and a repeat may have to bring others.
    """
    said = body[: request.items_bytes + request.records * RECORD.size]
    return idempotency_key(caller, msgspec.structs.replace(request, inline=0), said)
