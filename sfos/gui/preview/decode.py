"""The worker that decodes one untrusted file and ends: `python -m sfos.gui.preview.decode`.

stdin    uint32 length, that many bytes of a Job (MessagePack), then the file's bytes to the end
stdout   one block (MessagePack)

It limits itself before it reads a byte: memory, processor time, no further files or processes. A flaw in a decoder is
then a preview that failed, not the person's session: the process knows no password, no key and no connection.
"""

from __future__ import annotations

import os
import sys

import msgspec

from sfos.gui.preview import blocks
from sfos.gui.preview.blocks import AnyBlock, Job, NothingBlock

MEMORY_BYTES = 1024 * 1024 * 1024
CPU_S = 20


def limit_myself() -> None:
    """Lower this process's limits for good, where the system has such limits."""
    try:
        import resource
    except ImportError:  # Windows: there the parent's deadline is the only limit
        return
    for what, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
    ):
        hard = resource.getrlimit(what)[1]
        ceiling = most if hard == resource.RLIM_INFINITY else min(most, hard)
        try:
            resource.setrlimit(what, (ceiling, ceiling))
        except (ValueError, OSError):  # macOS refuses RLIMIT_AS
            continue
    if hasattr(os, "nice"):
        os.nice(5)


def decode(job: Job, data: bytes) -> AnyBlock:
    """The preview that `job` asks for. Imports only what this kind needs."""
    if job.kind in ("text", "code", "markdown", "table"):
        from sfos.gui.preview import text

        if job.kind == "code":
            return text.code(data, job.name, complete=job.complete)
        if job.kind == "markdown":
            return text.markdown(data, complete=job.complete)
        if job.kind == "table":
            return text.table(data, job.name, complete=job.complete)
        return text.plain(data, complete=job.complete)
    if job.kind == "drawing":
        from sfos.gui.preview import drawings

        return drawings.drawing(data, job.name, job.edge)
    if job.kind in ("picture", "pdf"):
        from sfos.gui.preview import pictures

        return pictures.picture(data, job.edge) if job.kind == "picture" else pictures.pdf(data, job.page, job.edge)
    from sfos.gui.preview import containers

    if job.kind == "archive":
        return containers.archive(data, job.name)
    return containers.audio(data, job.name, job.size_bytes)


def main() -> int:
    """Read the job, decode, write the block."""
    limit_myself()
    source = sys.stdin.buffer
    length = int.from_bytes(source.read(4), "big")
    job = msgspec.msgpack.decode(source.read(length), type=Job)
    data = source.read()  # the parent sends no more than it fetched
    try:
        block = decode(job, data)
    except MemoryError:
        block = NothingBlock("This file needs more memory than a preview may use.")
    except RecursionError:
        block = NothingBlock("This file is nested too deeply for a preview.")
    sys.stdout.buffer.write(blocks.encode(block))
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
