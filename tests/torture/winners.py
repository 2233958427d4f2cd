"""Many writers on one file, each with the revision that it knows."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from sfos.protocol import Revision, RevisionConflict
from sfos.server.maintenance.verify import verify_space
from tests.storage.after_crash import start_over
from tests.storage.crashing import SPACE_ID, open_registry
from tests.storage.desk import Desk
from tests.torture.scenario import Context, Figures, Scenario

WRITERS = 64
ROUNDS = 100


def run(context: Context, writers: int = WRITERS) -> Figures:
    """Round after round: all write at once, one wins, the others hear of a conflict, and the file is the winner's."""
    home = context.workplace / "home"
    start_over(home)
    with closing(open_registry(home)) as registry, registry.lease(SPACE_ID) as space:
        desks = [Desk(space, f"u{number}") for number in range(writers)]
        desks[0].put("/one", b"at first")
        start = threading.Barrier(writers)

        def write(number: int, content: bytes, known: Revision) -> int | None:
            start.wait()
            try:
                desks[number].put("/one", content, if_revision=known)
            except RevisionConflict:
                return None
            return number

        with ThreadPoolExecutor(writers) as pool:
            while context.going():
                known = desks[0].stat("/one").revision
                size = context.random.choice((100, 70_000))
                contents = [context.random.randbytes(size) for _ in range(writers)]
                writing = [pool.submit(write, number, contents[number], known) for number in range(writers)]
                winners = [number for one in writing if (number := one.result()) is not None]
                context.count("rounds")
                context.count("writes", writers)
                if len(winners) != 1:
                    context.broken(f"{len(winners)} of {writers} writers won with revision {known}")
                elif desks[0].read("/one") != contents[winners[0]]:
                    context.broken(f"the file is not what writer {winners[0]} wrote, who won")
        with registry.inspect(SPACE_ID) as inner:
            for finding in verify_space(inner, full=True).findings:
                context.broken(f"verify: {finding}")
    return context.figures()


SCENARIO = Scenario(
    name="one-winner",
    promise="Of many who write one file with the same revision exactly one wins, and the others are told.",
    figure=f"{WRITERS} writers, {ROUNDS} rounds",
    goal={"rounds": ROUNDS},
    run=run,
    share=0.5,
)
