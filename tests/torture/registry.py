"""All scenarios there are, in the order in which they run."""

from __future__ import annotations

from tests.torture import network, storage
from tests.torture.scenario import Scenario

SCENARIOS: tuple[Scenario, ...] = (*storage.SCENARIOS, *network.SCENARIOS)
