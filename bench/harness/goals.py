"""Goals to be reached, as ratios within one run on one machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.harness.bench import Peak, Results

OURS, CEILING, SFTP, RSYNC, WEBDAV = (
    "this project",
    "ceiling",
    "OpenSSH sftp",
    "rsync over ssh",
    "rclone webdav + crypt",
)
MIB = 2**20
SERVER_BASE, SERVER_PER_TRANSFER, CLIENT = 120 * MIB, 24 * MIB, 200 * MIB


@dataclass(frozen=True)
class Goal:
    """`value`: what was found, None if it was not measured. `at_least`: else at most."""

    work: str
    what: str
    bound: float
    at_least: bool
    unit: str
    value: float | None

    @property
    def met(self) -> bool | None:
        """None: not known."""
        if self.value is None:
            return None
        return self.value >= self.bound if self.at_least else self.value <= self.bound


def goals(results: Results) -> list[Goal]:
    """All goals with what this run found."""

    def faster(work: str, peer: str) -> float | None:
        theirs, mine = results.seconds(work, peer), results.seconds(work, OURS)
        return theirs / mine if theirs and mine else None

    def share(work: str, peer: str) -> float | None:
        theirs, mine = results.seconds(work, peer), results.seconds(work, OURS)
        return mine / theirs if theirs and mine else None

    def at_least(work: str, what: str, bound: float, value: float | None) -> Goal:
        return Goal(work, what, bound, True, "×", value)

    def at_most(work: str, what: str, bound: float, unit: str, value: float | None) -> Goal:
        return Goal(work, what, bound, False, unit, value)

    sent = results.wire.get("wire-inserted", {}).get(OURS)
    found = [
        at_least("large-up", "faster than sftp", 1.7, faster("large-up", SFTP)),
        at_least("large-up", "faster than rclone webdav + crypt", 2.2, faster("large-up", WEBDAV)),
        at_least("large-up", "of the ceiling's rate", 0.9, faster("large-up", CEILING)),
        at_least("large-down", "faster than sftp", 2.4, faster("large-down", SFTP)),
        at_least("large-down", "faster than rclone webdav + crypt", 1.8, faster("large-down", WEBDAV)),
        at_least("large-down", "of the ceiling's rate", 0.9, faster("large-down", CEILING)),
        at_most(
            "large-inserted", "of its bytes sent", 1.0, "%", None if sent is None else 100 * sent / results.sizes.large
        ),
        at_least("large-inserted", "faster than rsync", 4.0, faster("large-inserted", RSYNC)),
        at_most("small-up", "of rsync's time", 0.85, "×", share("small-up", RSYNC)),
        at_most("small-down", "of rsync's time", 0.75, "×", share("small-down", RSYNC)),
        at_most("small-unchanged", "of rsync's time", 0.5, "×", share("small-unchanged", RSYNC)),
        at_most("link-up", "seconds", 4.0, "s", results.seconds("link-up", OURS)),
        at_most("link-down", "seconds", 4.0, "s", results.seconds("link-down", OURS)),
        at_most("names-flat", "seconds", 1.0, "s", results.seconds("names-flat", OURS)),
        at_most("names-recursive", "seconds", 1.0, "s", results.seconds("names-recursive", OURS)),
    ]
    return found + _of_clients(results) + _of_memory(results)


def _of_clients(results: Results) -> list[Goal]:
    few, many = results.sizes.clients
    found = []
    for own, accounts in ((False, "one account"), (True, "an account each")):
        mixes = {mix.clients: mix for mix in results.mixes if mix.own_accounts is own}
        pair = mixes.get(few), mixes.get(many)
        ratio = pair[1].total / pair[0].total if pair[0] and pair[1] else None
        fairness = pair[1].slowest_to_fastest if pair[1] else None
        found += [
            Goal(f"{many} clients at once, {accounts}", f"of the throughput of {few}", 1.0, True, "×", ratio),
            Goal(f"{many} clients at once, {accounts}", "slowest of the fastest's rate", 0.5, True, "×", fairness),
        ]
    return found


def _of_memory(results: Results) -> list[Goal]:
    mixed = [Peak(f"{mix.clients} clients", 0, mix.server_peak, mix.clients) for mix in results.mixes]
    grown = [Peak(f"{one.what} {one.amount:,}", one.client_peak, one.server_peak, 1) for one in results.growth]
    peaks = [*results.peaks, *mixed, *grown]

    def most(of: Callable[[Peak], float]) -> float | None:
        values = [of(peak) for peak in peaks]
        return max(values) if any(values) else None

    return [
        Goal(
            "memory",
            f"server, of {SERVER_BASE // MIB} MiB + {SERVER_PER_TRANSFER // MIB} MiB per active transfer",
            100.0,
            False,
            "%",
            most(lambda peak: 100 * peak.server / (SERVER_BASE + SERVER_PER_TRANSFER * peak.transfers)),
        ),
        Goal("memory", "client, MiB", CLIENT / MIB, False, "MiB", most(lambda peak: peak.client / MIB)),
    ]
