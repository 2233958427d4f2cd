"""Works of this project alone: many clients at once, memory, and how cost grows."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict

from bench.harness.bench import Bench, Growth, Mix, Peak
from bench.harness.data import check_equal, check_made, make_file, make_sparse, make_tree, remove
from bench.harness.mixed_client import Task
from bench.harness.processes import Command, ProgramFailed, peak_bytes, reset_peak, run
from bench.harness.side import CHECKOUT

_GIVEN_BACK_S = 5.0  # the server gives back a crowd's memory within some three seconds
_ROOM = 2.2  # a file of the growth table needs so many times its size: stored, itself or as fetched, and some air


def clients(bench: Bench) -> None:
    """Few and many clients with mixed work, of one account and of as many accounts; A B A B."""
    few, many = bench.sizes.clients
    _accounts(bench, many)
    found: dict[tuple[int, bool], list[tuple[float, float, int]]] = {}
    for number in range(bench.results.runs):
        for own in (False, True):
            for count in (few, many) if number % 2 == 0 else (many, few):
                found.setdefault((count, own), []).append(_mix(bench, count, own))
    _note_mixes(bench, found)


def growth_clients(bench: Bench) -> None:
    """More and more clients, an account each."""
    known = {mix.clients for mix in bench.results.mixes if mix.own_accounts}
    counts = [count for count in bench.sizes.growth_clients if count not in known]
    _accounts(bench, max(counts, default=0))
    found: dict[tuple[int, bool], list[tuple[float, float, int]]] = {}
    for _ in range(bench.results.runs):
        for count in counts:
            found.setdefault((count, True), []).append(_mix(bench, count, True))
    _note_mixes(bench, found)


def _note_mixes(bench: Bench, found: dict[tuple[int, bool], list[tuple[float, float, int]]]) -> None:
    for (count, own), runs in found.items():
        totals, fairness, peaks = zip(*runs, strict=True)
        bench.results.mixes.append(Mix(count, own, totals, fairness, max(peaks)))


def _accounts(bench: Bench, count: int) -> None:
    """Give a fresh server as many accounts as there will be clients."""
    bench.ours.empty()
    for number in range(count):
        bench.ours.add_account(f"client-{number}")


def _mix(bench: Bench, count: int, own_accounts: bool) -> tuple[float, float, int]:
    """(Bytes per second of all, the slowest's rate by the fastest's, the server's peak). Raises: ProgramFailed."""
    ours = bench.ours
    assert ours.port is not None and ours.server_pid is not None
    place = bench.fresh("clients")
    os.sync()
    time.sleep(_GIVEN_BACK_S)  # what those before had is theirs
    reset_peak(ours.server_pid)
    with ExitStack() as stack:
        stack.callback(remove, place)
        processes: list[subprocess.Popen[str]] = []
        for number in range(count):
            user = f"client-{number}" if own_accounts else "bench"
            task = Task(number, ours.port, user, ours.password, str(place / str(number)), bench.sizes.window_s)
            processes.append(_start(stack, task))
        if not all(process.stdout and process.stdout.readline() == "ready\n" for process in processes):
            raise ProgramFailed("a client could not sign in; its reason is above")
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        rates = []
        for process in processes:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise ProgramFailed("a client failed; its reason is above")
            said = json.loads(line)
            rates.append(said["moved"] / said["seconds"])
    total, fairness = sum(rates), min(rates) / max(rates) if any(rates) else 0.0
    accounts = "own accounts" if own_accounts else "one account"
    bench.say(f"  {count:2} clients, {accounts:12} {total / 1e6:8.1f} MB/s, slowest/fastest {fairness:.2f}")
    return total, fairness, peak_bytes(ours.server_pid)


def _start(stack: ExitStack, task: Task) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.harness.mixed_client"],
        cwd=CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    stack.callback(_end, process)
    assert process.stdin is not None
    process.stdin.write(json.dumps(asdict(task)) + "\n")
    process.stdin.flush()
    return process


def _end(process: subprocess.Popen[str]) -> None:
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()


# --- memory ---------------------------------------------------------------------------------------------------------


def memory(bench: Bench) -> None:
    """The most that client and server hold while one file goes up and down: a large one, and a huge sparse one."""
    bench.ours.empty()
    for what, make, size in (
        ("large file", lambda path, size: make_file(path, size, "memory"), bench.sizes.large),
        ("sparse file", make_sparse, bench.sizes.sparse),
    ):
        source = make(bench.fresh("memory.bin"), size)
        target = bench.fresh("memory-got")
        for way, command in (
            ("up", bench.ours.put_file(source, "memory.bin")),
            ("down", bench.ours.get_file("memory.bin", target)),
        ):
            _, client, server = _watched(bench, command)
            bench.results.peaks.append(Peak(f"{what} of {size / 2**20:,.0f} MiB {way}", client, server, 1))
            bench.say(f"  memory, {what} {way}: client {client / 2**20:.0f} MiB, server {server / 2**20:.0f} MiB")
        for path in (source, target):
            remove(path)


def _watched(bench: Bench, command: Command) -> tuple[float, int, int]:
    """(Seconds, the client's peak, the server's) of a command. Raises: ProgramFailed."""
    assert bench.ours.server_pid is not None
    os.sync()
    reset_peak(bench.ours.server_pid)
    outcome = run(command, watch_memory=True)
    if outcome.exit_code:
        raise ProgramFailed(f"{bench.ours.title}: {outcome.complaint}")
    return outcome.seconds, outcome.peak_bytes, peak_bytes(bench.ours.server_pid)


# --- growth ---------------------------------------------------------------------------------------------------------


def growth(bench: Bench) -> None:
    """Larger and larger files, more and more files, more and more clients."""
    bench.ours.empty()
    for size in bench.sizes.growth_bytes:
        if shutil.disk_usage(bench.place).free < _ROOM * size:
            bench.say(f"  {size / 2**20:,.0f} MiB: no room on the disk, left out")
            continue
        _grow(bench, "file", size)
    for count in bench.sizes.growth_files:
        _grow(bench, "files", count)
    growth_clients(bench)


def _grow(bench: Bench, what: str, amount: int) -> None:
    """Up, again with nothing changed, down; medians of the runs, and the highest peaks."""
    found: dict[str, list[tuple[float, int, int]]] = {"up": [], "unchanged": [], "down": []}
    ours = bench.ours
    for number in range(bench.results.runs):
        name = f"growth-{amount}-{number}"
        source, target = bench.fresh("growth"), bench.fresh("growth-got")
        if what == "file":
            make_file(source, amount, name)
        else:
            make_tree(source, amount, bench.sizes.small_bytes, name)
        put, get = (ours.put_file, ours.get_file) if what == "file" else (ours.put_folder, ours.get_folder)
        found["up"].append(_watched(bench, put(source, name)))
        found["unchanged"].append(_watched(bench, put(source, name)))
        if what == "file":
            remove(source)  # three of the largest need not fit into memory
            found["down"].append(_watched(bench, get(name, target)))
            check_made(target, amount, name)
        else:
            found["down"].append(_watched(bench, get(name, target)))
            check_equal(target, source)
        for path in (source, target):
            remove(path)
        if what == "file":
            ours.empty()
    for way, runs in found.items():
        seconds, client, server = zip(*runs, strict=True)
        bench.results.growth.append(
            Growth(f"{what} {way}", amount, statistics.median(seconds), max(client), max(server))
        )
        bench.say(f"  {what} {way:10} {amount:>14,} {statistics.median(seconds):8.3f} s")
