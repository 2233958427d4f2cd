"""Whole commands that move files: one large one, many small ones, the same over a link with latency; and listings.

In each round all sides get the same new data; each round begins with another side.
"""

from __future__ import annotations

from pathlib import Path

from bench.harness.bench import Bench, Sample
from bench.harness.ceiling_side import Ceiling
from bench.harness.data import make_file, make_inserted, make_names, make_tree, remove
from bench.harness.openssh import Rsync, Sftp
from bench.harness.ours import Ours
from bench.harness.processes import ProgramFailed
from bench.harness.relay import Relay
from bench.harness.side import Side, Store

NAME = "large.bin"
ANOTHER = "another-name.bin"


def large(bench: Bench) -> None:
    """One large file up, down, and up again with a byte put in at its front; then what of it goes over the wire.

    Each round begins with empty stores: over an old file rsync looks for what is alike, and sftp writes where room is
    already, so that neither would take what a new file takes.
    """
    source, inserted = bench.fresh("before") / NAME, bench.fresh("after") / NAME
    for number, order in bench.rounds(bench.sides):
        for side in bench.sides:
            side.empty()
        make_file(source, bench.sizes.large, f"large {number}")
        make_inserted(inserted, source, b"\x01")
        done = [side for side in order if bench.time("large-up", side, side.put_file(source, NAME))]
        for side in done:
            bench.fetch("large-down", side, side.get_file, NAME, source)
            if isinstance(side, Ceiling):
                bench.fetch("large-down-synced", side, side.get_file_synced, NAME, source)
        for side in done:
            if not isinstance(side, Ceiling):
                bench.time("large-inserted", side, side.put_file(inserted, NAME))
        for side in order:
            bench.lose_patience(side, "large-up", "large-down", "large-inserted")
    make_inserted(inserted, source, b"\x02")
    for side in bench.peers:
        try:
            bench.must(side, side.put_file(source, NAME))
            count_wire(bench, "wire-inserted", side, inserted, NAME)
            count_wire(bench, "wire-again", side, source, ANOTHER)
        except ProgramFailed as error:
            bench.say(f"  bytes on the wire: {error}")
    remove(source)
    remove(inserted)


def count_wire(bench: Bench, work: str, side: Store, source: Path, name: str) -> None:
    """Upload once more, untimed, and count all bytes both ways. Raises: ProgramFailed."""
    before = side.stored_bytes()
    if before is not None:
        bench.must(side, side.put_file(source, name))
        passed = (side.stored_bytes() or 0) - before
    else:
        assert side.port is not None
        with Relay(side.port) as relay:
            side.reach(relay.port)
            try:
                signed_in = sum(relay.passed_bytes)
                bench.must(side, side.put_file(source, name))
                passed = sum(relay.passed_bytes) - signed_in
            finally:
                side.reach(None)
    bench.results.wire.setdefault(work, {})[side.title] = passed
    bench.say(f"  {work:24} {side.title:24} {passed:,} bytes")


def small(bench: Bench) -> None:
    """Many small files up, up again with nothing changed, and down."""
    for number, order in bench.rounds(bench.peers):
        source = make_tree(bench.fresh("small"), bench.sizes.small_files, bench.sizes.small_bytes, f"small {number}")
        name = f"small-{number}"
        done = [side for side in order if bench.time("small-up", side, side.put_folder(source, name))]
        for side in done:
            bench.time("small-unchanged", side, side.put_folder(source, name))
        for side in done:
            bench.fetch("small-down", side, side.get_folder, name, source)
        for side in order:
            bench.lose_patience(side, "small-up", "small-unchanged", "small-down")
        remove(source)


def link(bench: Bench) -> None:
    """Many small files up and down over a link with latency: this project, rsync, and sftp by a sample.

    sftp waits for the server several times for each file, which makes an hour of 10,000 files. Its time is that of a
    sample, less that of a single file, scaled up.
    """
    for number, order in bench.rounds([side for side in bench.peers if isinstance(side, Ours | Rsync | Sftp)]):
        seed = f"link {number}"
        source = make_tree(bench.fresh("link"), bench.sizes.link_files, bench.sizes.small_bytes, seed)
        sample = make_tree(bench.fresh("sample"), bench.sizes.link_sample, bench.sizes.small_bytes, seed)
        one = make_tree(bench.fresh("one"), 1, bench.sizes.small_bytes, seed)
        for side in order:
            assert side.port is not None
            with Relay(side.port, bench.sizes.link_delay_s) as relay:
                side.reach(relay.port)
                try:
                    if isinstance(side, Sftp):
                        _sftp_by_sample(bench, side, sample, one, number)
                    else:
                        _over_link(bench, side, "link", source, f"link-{number}")
                finally:
                    side.reach(None)
        for path in (source, sample, one):
            remove(path)


def _over_link(bench: Bench, side: Store, work: str, source: Path, name: str) -> None:
    if bench.time(f"{work}-up", side, side.put_folder(source, name)):
        bench.fetch(f"{work}-down", side, side.get_folder, name, source)


def _sftp_by_sample(bench: Bench, side: Store, sample: Path, one: Path, number: int) -> None:
    if number:
        return
    _over_link(bench, side, "sample", sample, "sample")
    _over_link(bench, side, "single", one, "single")
    scale = (bench.sizes.link_files - 1) / (bench.sizes.link_sample - 1)
    for way in ("up", "down"):
        many, single = (bench.results.times.pop(f"{work}-{way}", {}).get(side.title) for work in ("sample", "single"))
        if many and single and many.seconds and single.seconds:
            series = bench.series(f"link-{way}", side)
            series.samples.append(Sample(single.seconds + (many.seconds - single.seconds) * scale, 0.0, 0.0))
            series.remark = f"from {bench.sizes.link_sample} files, once"


def names(bench: Bench) -> None:
    """List a folder of many names, and as many names in many folders."""
    count = bench.sizes.names
    flat = make_names(bench.fresh("flat"), count, count)
    deep = make_names(bench.fresh("deep"), count, bench.sizes.names_per_folder)
    ready = []
    for side in bench.peers:
        try:
            side.provide_names(flat, "flat")
            side.provide_names(deep, "deep")
            ready.append(side)
        except ProgramFailed as error:
            bench.give_up("names-flat", side, str(error))
    output = bench.fresh("listed")
    for _, order in bench.rounds(ready):
        for work, name, recursive in (("names-flat", "flat", False), ("names-recursive", "deep", True)):
            for side in order:
                if bench.time(work, side, side.list_names(name, recursive=recursive), output):
                    _check_listed(bench, work, side, output)
    for path in (flat, deep, output):
        remove(path)


def _check_listed(bench: Bench, work: str, side: Side, output: Path) -> None:
    with output.open("rb") as lines:
        found = sum(b".txt" in line for line in lines)
    if found != bench.sizes.names:
        bench.series(work, side).samples.clear()
        bench.give_up(work, side, f"WRONG: {found} names instead of {bench.sizes.names}")
