"""Length of the buffers that sealed tokens are made and read in (server.process.memory_pool)."""

from __future__ import annotations

from sfos.protocol import MAX_CHUNK_BYTES
from sfos.server.vault.sealing import sealed_size

# The longest token, one block more that `update_into` asks for, and a byte by which a file that is too long shows.
SCRATCH_BYTES = sealed_size(MAX_CHUNK_BYTES) + 64
