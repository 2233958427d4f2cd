"""The scenarios that work in a space without a network."""

from __future__ import annotations

from tests.torture import damage, damaged_rows, faults, full_disk, kills, power_loss, simulation, winners
from tests.torture.scenario import Scenario

SCENARIOS: tuple[Scenario, ...] = (
    *kills.SCENARIOS,
    power_loss.SCENARIO,
    faults.SCENARIO,
    *full_disk.SCENARIOS,
    damage.SCENARIO,
    damaged_rows.SCENARIO,
    simulation.SCENARIO,
    winners.SCENARIO,
)
