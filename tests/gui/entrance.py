"""Signing in without a window: a presenter, and the steps that it has told of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from sfos.client.net.trust import Trust
from sfos.client.options import ClientOptions
from sfos.gui.signing_in.presenter import AccessPresenter, Entered, Step
from sfos.gui.threads.bridge import TaskBridge

StepT = TypeVar("StepT", bound=Step)


@dataclass(frozen=True)
class Entrance:
    """Before a server."""

    presenter: AccessPresenter
    steps: list[Step]
    settle: Callable[..., None]

    @property
    def entered(self) -> bool:
        """Whether somebody was let in at any time."""
        return any(isinstance(step, Entered) for step in self.steps)

    def now(self, kind: type[StepT]) -> StepT:
        """The last step, which has to be of this `kind`."""
        last = self.steps[-1]
        assert isinstance(last, kind), last
        return last

    def reach(self, kind: type[StepT]) -> StepT:
        """The last step, once it is of this `kind`."""
        self.settle(lambda: isinstance(self.steps[-1], kind), what=kind.__name__)
        return self.now(kind)


@contextmanager
def entrance(bridge: TaskBridge, trust: Trust, settle: Callable[..., None]) -> Iterator[Entrance]:
    """One that signs out whoever was let in, in the end."""
    steps: list[Step] = []
    presenter = AccessPresenter(bridge, lambda: trust, ClientOptions(), steps.append)
    yield Entrance(presenter, steps, settle)
    presenter.close()
    for step in steps:
        if isinstance(step, Entered):
            step.session.logout()
