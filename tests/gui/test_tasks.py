"""The bridge between threads and the loop: order, coalescing, cancellation, time, the end."""

from __future__ import annotations

import threading
import tkinter as tk
from collections.abc import Callable

import pytest

from sfos.gui.threads.bridge import Cancelled, CancelToken, Epoch, TaskBridge, TkPump

Settle = Callable[..., None]


def unexpected(error: Exception) -> None:
    raise AssertionError(f"did not expect {error!r}")


def test_callbacks_run_in_the_draining_thread_in_the_order_they_were_posted(bridge: TaskBridge, settle: Settle) -> None:
    seen: list[tuple[int, int]] = []

    def post_ten() -> None:
        for number in range(10):
            bridge.post(lambda n=number: seen.append((n, threading.get_ident())))  # type: ignore[misc]

    thread = threading.Thread(target=post_ten)
    thread.start()
    settle(lambda: len(seen) == 10)
    thread.join()
    assert seen == [(n, threading.get_ident()) for n in range(10)]


def test_of_several_waiting_callbacks_of_one_key_only_the_last_is_called(bridge: TaskBridge) -> None:
    seen: list[int] = []
    for number in range(100):
        bridge.post_latest("progress", lambda n=number: seen.append(n))  # type: ignore[misc]
    bridge.post_latest("other", lambda: seen.append(-1))
    bridge.drain(1.0)
    assert seen == [99, -1]


def test_work_runs_in_a_thread_and_its_result_comes_back(bridge: TaskBridge, settle: Settle) -> None:
    results: list[tuple[int, int]] = []

    def work(_token: CancelToken) -> int:
        return threading.get_ident()

    bridge.run_in_thread(work, lambda ident: results.append((ident, threading.get_ident())), unexpected)
    settle(lambda: results)
    there, here = results[0]
    assert here == threading.get_ident() != there
    settle(lambda: not bridge.alive())


def test_what_work_raises_comes_back_as_its_failure(bridge: TaskBridge, settle: Settle) -> None:
    failures: list[Exception] = []

    def work(_token: CancelToken) -> None:
        raise ValueError("no")

    bridge.run_in_thread(work, lambda _nothing: pytest.fail("done"), failures.append)
    settle(lambda: failures)
    assert str(failures[0]) == "no"


def test_cancelled_work_reports_nothing(bridge: TaskBridge, settle: Settle) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def work(token: CancelToken) -> None:
        begun.set()
        go_on.wait(10)
        token.check()

    token = bridge.run_in_thread(work, lambda _nothing: pytest.fail("done"), unexpected)
    begun.wait(10)
    token.cancel()
    go_on.set()
    settle(lambda: not bridge.alive())
    bridge.drain()
    with pytest.raises(Cancelled):
        token.check()


def test_a_drain_ends_when_its_time_is_up_and_says_that_more_is_left() -> None:
    now = [0.0]
    bridge = TaskBridge(lambda: now[0])
    seen: list[int] = []

    def slow(number: int) -> None:
        seen.append(number)
        now[0] += 0.005

    for number in range(5):
        bridge.post(lambda n=number: slow(n))  # type: ignore[misc]
    assert bridge.drain(0.008) is True
    assert seen == [0, 1]
    assert bridge.drain(1.0) is False
    assert seen == [0, 1, 2, 3, 4]


def test_timers_run_when_they_are_due_in_their_order_and_not_once_cancelled() -> None:
    now = [0.0]
    bridge = TaskBridge(lambda: now[0])
    seen: list[str] = []
    bridge.call_later(2.0, lambda: seen.append("late"))
    bridge.call_later(1.0, lambda: seen.append("early"))
    cancelled = bridge.call_later(1.5, lambda: seen.append("never"))
    cancelled.cancel()
    assert bridge.next_due_s() == 1.0
    bridge.drain()
    assert seen == []
    now[0] = 3.0
    bridge.drain()
    assert seen == ["early", "late"]
    assert bridge.next_due_s() is None


def test_a_callback_that_fails_does_not_stop_the_others(bridge: TaskBridge) -> None:
    failures: list[BaseException] = []
    seen: list[int] = []
    bridge.on_error = failures.append
    bridge.post(lambda: 1 // 0)  # type: ignore[arg-type]
    bridge.post(lambda: seen.append(1))
    bridge.drain(1.0)
    assert seen == [1]
    assert isinstance(failures[0], ZeroDivisionError)


def test_a_closed_bridge_cancels_what_runs_and_takes_no_new_work(bridge: TaskBridge, settle: Settle) -> None:
    running = bridge.run_in_thread(lambda token: token.wait(30), lambda _cancelled: pytest.fail("done"), unexpected)
    bridge.close()
    assert running.cancelled
    refused = bridge.run_in_thread(lambda _token: pytest.fail("ran"), unexpected, unexpected)
    assert refused.cancelled
    settle(lambda: not bridge.alive())


def test_only_the_newest_epoch_is_current() -> None:
    epoch = Epoch()
    first = epoch.advance()
    second = epoch.advance()
    assert not epoch.is_current(first)
    assert epoch.is_current(second)


@pytest.mark.display
def test_a_loop_that_waits_is_woken_by_a_post_from_a_thread(app: object) -> None:
    from sfos.gui.shell.app import App

    assert isinstance(app, App)
    woken: list[bool] = []

    def arrived() -> None:
        woken.append(True)
        app.root.quit()

    stop = app.root.after(10_000, app.root.quit)
    thread = threading.Timer(0.05, lambda: app.bridge.post(arrived))
    thread.start()
    app.root.mainloop()
    thread.join()
    app.root.after_cancel(stop)
    assert woken


@pytest.mark.display
def test_stopping_the_pump_gives_its_pipe_back(app: object) -> None:
    from sfos.gui.shell.app import App

    assert isinstance(app, App)
    bridge = TaskBridge()
    pump = TkPump(app.root, bridge)
    pump.stop()
    bridge.post(lambda: None)  # wakes nobody, and does no harm
    assert isinstance(app.root, tk.Tk)
