"""The scenarios that reach the server through its socket."""

from __future__ import annotations

from tests.torture.scenario import Scenario

SCENARIOS: tuple[Scenario, ...] = ()
