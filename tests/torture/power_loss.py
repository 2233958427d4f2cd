"""Power losses: what was not synced is gone, or partly there."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from tests.storage import crashing
from tests.storage.forgetting import SURVIVALS, Moment, RememberingFiles
from tests.torture.kills import VICTIMS, Victim, begin_from
from tests.torture.scenario import Context, Figures, Scenario


def run(context: Context) -> Figures:
    """Every moment of the scripts with every kind of survival, in an order that the seed makes."""
    losses = [
        (victim, moment, survival)
        for victim in VICTIMS
        if victim.layered
        for moment in moments_of(victim, context.workplace)
        for survival in (*SURVIVALS, "some", "some")
    ]
    context.count("losses to be tried", len(losses))
    context.random.shuffle(losses)
    for victim, moment, survival in losses:
        if not context.going():
            return context.figures()
        home = context.workplace / "after"
        moment.restore(home, survival, context.random)
        context.count("power losses")
        try:
            victim.check(home, moment.acknowledged)
        except AssertionError as error:
            context.broken(f"{victim.name}, power lost after {moment.what}, survived {survival}: {error}")
    context.exhausted()
    return context.figures()


def moments_of(victim: Victim, workplace: Path, layer: type[RememberingFiles] = RememberingFiles) -> list[Moment]:
    """Every moment of a script, in order. `layer`: what forgets; tests give one that forgets too much."""
    template, home = workplace / f"{victim.name} before", workplace / f"{victim.name} remembered"
    victim.prepare(template)
    with closing(crashing.open_registry(template)) as registry, registry.lease(crashing.SPACE_ID):
        pass  # the space is there: what SQLite and the making of a space sync is theirs
    begin_from(template, home)
    moments: list[Moment] = []
    files = layer(home, moments.append)
    files.adopt()
    files.point("the beginning")
    victim.script(home, files.acknowledge, files)
    return moments


SCENARIO = Scenario(
    name="power-loss",
    promise="What was acknowledged survives a loss of power at any moment, whatever unsynced writes survive with it.",
    figure="every moment of a scripted session with four kinds of survival",
    run=run,
)
