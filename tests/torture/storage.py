"""The scenarios that work in a space without a network."""

from __future__ import annotations

from tests.torture.scenario import Scenario

SCENARIOS: tuple[Scenario, ...] = ()
