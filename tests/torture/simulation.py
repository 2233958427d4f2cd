"""Random sequences of what clients do, beside a model that is a dictionary (tests/storage/test_model.py)."""

from __future__ import annotations

import traceback

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.storage.test_model import Simulation
from tests.torture.scenario import Context, Figures, Scenario

AT_ONCE = 25  # sequences between two looks at the clock
STEPS = 30


def run(context: Context) -> Figures:
    """Batches of sequences, each batch from a seed of its own."""
    while context.going():
        batch = context.random.randrange(2**32)
        seeded = seed(batch)(type("Simulation", (Simulation,), {}))
        try:
            run_state_machine_as_test(seeded, settings=_settings())
        except Exception:  # hypothesis raises what the shrunken sequence raised
            context.broken(f"batch {batch}:\n{traceback.format_exc()}")
        context.count("sequences", AT_ONCE)
    return context.figures()


def _settings() -> settings:
    return settings(
        max_examples=AT_ONCE,
        stateful_step_count=STEPS,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        print_blob=False,
        phases=(Phase.generate, Phase.shrink),
    )


SCENARIO = Scenario(
    name="model",
    promise="After any sequence of changes, restarts and collections a space says what a dictionary says.",
    figure="2,000 sequences of up to 30 changes",
    goal={"sequences": 2_000},
    run=run,
    share=2.0,
)
