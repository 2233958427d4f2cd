"""The tables of a run: Markdown for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

import msgspec

from bench.harness.bench import Results, Series
from bench.harness.goals import OURS, Goal, goals

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"


def titles(results: Results) -> dict[str, str]:
    """Title of each work in a table."""
    sizes = results.sizes
    large = _bytes(sizes.large)
    small = f"{sizes.small_files:,} files of {_bytes(sizes.small_bytes)}"
    linked = f"{sizes.link_files:,} files of {_bytes(sizes.small_bytes)}"
    delay = f"over a link of {sizes.link_delay_s * 1000:.0f} ms each way"
    return {
        "large-up": f"{large} random up",
        "large-down": f"{large} random down",
        "large-down-synced": f"{large} random down, ceiling with fsync at the end",
        "large-inserted": f"{large} again, one byte inserted at its front",
        "small-up": f"{small} up",
        "small-unchanged": f"{small} up again, nothing changed",
        "small-down": f"{small} down",
        "link-up": f"{linked} up {delay}",
        "link-down": f"{linked} down {delay}",
        "names-flat": f"list {sizes.names:,} names, one folder",
        "names-recursive": f"list {sizes.names:,} names, {sizes.names // sizes.names_per_folder:,} folders",
        "wire-inserted": f"{large} with one byte inserted at its front",
        "wire-again": f"{large} that the server has, under another name",
    }


def markdown(results: Results) -> str:
    """All tables."""
    machine = results.machine
    runs = "1 run" if results.runs == 1 else f"{results.runs} runs"
    head = (
        f"Measured on {machine.date}: {machine.cpu}, {machine.cores} cores, {machine.memory_gib} GiB of memory;"
        f" {machine.system}, Python {machine.python}, files on {machine.filesystem}. Medians of {runs}."
    )
    if results.quick:
        head += "\n\n**A quick run with small sizes: it shows that all works, and its figures mean nothing.**"
    head += "".join(f"\n\n**{failure}**" for failure in results.failures)
    sections = [
        head,
        _sides(results),
        _times(results),
        _wire(results),
        _clients(results),
        _memory(results),
        _growth(results),
        _goals(results),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def _sides(results: Results) -> str:
    lines = [
        f"- **{side.title}**{f' {side.version}' if side.version else ''}: {side.missing or side.note}"
        for side in results.sides
    ]
    return "\n".join(lines)


def _times(results: Results) -> str:
    if not results.times:
        return ""
    named = titles(results)
    columns = [side.title for side in results.sides if not side.missing]
    rows = []
    for work, title in named.items():
        times = results.times.get(work)
        if times is None:
            continue
        mine = results.seconds(work, OURS) or results.seconds(work.removesuffix("-synced"), OURS)
        rows.append([title, *(_cell(times.get(column), mine, ours=column == OURS) for column in columns)])
    return "### Time\n\nIn brackets: how many times as long as this project took.\n\n" + _table(["", *columns], rows)


def _cell(series: Series | None, mine: float | None, *, ours: bool) -> str:
    if series is None or (series.seconds is None and not series.remark):
        return "–"
    if series.seconds is None:
        return series.remark.replace("|", "/")
    text = f"**{_seconds(series.seconds)}**" if ours else _seconds(series.seconds)
    if mine and not ours:
        text += f" ({series.seconds / mine:.2f})"
    return f"{text}, {series.remark}" if series.remark else text


def _wire(results: Results) -> str:
    if not results.wire:
        return ""
    named = titles(results)
    columns = [side.title for side in results.sides if any(side.title in sent for sent in results.wire.values())]
    rows = [
        [named[work], *(_sent(sent[column], results.sizes.large) if column in sent else "–" for column in columns)]
        for work, sent in results.wire.items()
    ]
    text = "All bytes both ways, with TLS or ssh and signing in; for restic, what its repository grew by."
    return f"### Bytes on the wire\n\n{text}\n\n" + _table(["", *columns], rows)


def _sent(count: int, whole: int) -> str:
    return f"{_bytes(count)} ({100 * count / whole:.2f} %)"


def _clients(results: Results) -> str:
    if not results.mixes:
        return ""
    rows = [
        [
            str(mix.clients),
            "one each" if mix.own_accounts else "one for all",
            f"{mix.total / 1e6:.0f} MB/s",
            f"{mix.slowest_to_fastest:.2f}",
            f"{mix.server_peak / 2**20:.0f} MiB",
        ]
        for mix in sorted(results.mixes, key=lambda mix: (mix.own_accounts, mix.clients))
    ]
    text = (
        "Each client, in a process of its own, works for a fixed time: 16 MiB up and down, 200 files of 4 KiB up and"
        " down, listings, deletions."
    )
    head = ["clients", "accounts", "moved by all", "slowest / fastest", "server's peak memory"]
    return f"### Clients at once\n\n{text}\n\n" + _table(head, rows)


def _memory(results: Results) -> str:
    if not results.peaks:
        return ""
    rows = [[peak.what, f"{peak.client / 2**20:.0f} MiB", f"{peak.server / 2**20:.0f} MiB"] for peak in results.peaks]
    return "### Memory\n\nThe most that each process held (VmHWM).\n\n" + _table(["", "client", "server"], rows)


def _growth(results: Results) -> str:
    if not results.growth:
        return ""
    rows = []
    for one in results.growth:
        is_bytes = one.what.startswith("file ")
        per = f"{one.amount / 1e6 / one.seconds:,.0f} MB/s" if is_bytes else f"{one.amount / one.seconds:,.0f} files/s"
        rows.append(
            [
                f"{_bytes(one.amount) if is_bytes else f'{one.amount:,}'} {one.what}",
                _seconds(one.seconds),
                per,
                f"{one.client_peak / 2**20:.0f} MiB",
                f"{one.server_peak / 2**20:.0f} MiB",
            ]
        )
    head = ["", "time", "rate", "client's peak memory", "server's peak memory"]
    return "### How cost grows\n\nFiles of 4 KiB where there are many.\n\n" + _table(head, rows)


def _goals(results: Results) -> str:
    named = titles(results)
    rows = [
        [
            named.get(goal.work, goal.work),
            goal.what,
            f"{'≥' if goal.at_least else '≤'} {goal.bound:g} {goal.unit}",
            "not measured" if goal.value is None else f"{goal.value:.3g} {goal.unit}",
            _verdict(goal, results),
        ]
        for goal in goals(results)
    ]
    return "### Goals\n\n" + _table(["work", "what", "to be reached", "reached", ""], rows)


def _verdict(goal: Goal, results: Results) -> str:
    if goal.met is None:
        return ""
    if results.quick:
        return "(quick run)"
    return "met" if goal.met else "**not met**"


def _seconds(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds >= 100 else f"{seconds:.3g} s"


def _bytes(count: float) -> str:
    for unit in ("bytes", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.3g} {unit}"
        count /= 1024
    return f"{count:.3g} GiB"


def write_json(results: Results, path: Path) -> None:
    """All that was found, each single run included."""
    content = asdict(results)
    content["goals"] = [asdict(goal) | {"met": goal.met} for goal in goals(results)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Results:
    """Read the results that `write_json` wrote. Raises: OSError, msgspec.ValidationError."""
    return msgspec.json.decode(path.read_bytes(), type=Results)


def put_between_markers(document: Path, tables: str) -> None:
    """Replace what is between the markers in `document`. Raises: ValueError, when it does not have them once each."""
    text = document.read_text()
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ValueError(f"{document.name} does not hold “{BEGIN}” and “{END}” once each")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    document.write_text(f"{before}{BEGIN}\n\n{tables}\n{END}{after}")
