"""Work in a thread of its own, whose result is asked for later."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:  # where something is done beside, it is imported: most commands need none of it
    from concurrent.futures import Future

T = TypeVar("T")


def run_beside(work: Callable[[], T], name: str) -> Future[T]:
    """The result of `work` in a thread of its own of that `name`. Raises: RuntimeError, if there are no more."""
    from concurrent.futures import Future

    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # the top of a thread: whoever asks for the result is told
            future.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future
