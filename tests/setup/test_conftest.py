"""The watchers that stand around every test: each must bite."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SAMPLE = """
import logging, os, sys, threading
import pytest

kept = []

def test_leaves_a_thread():
    stop = threading.Event()
    kept.append(stop)
    threading.Thread(target=stop.wait, daemon=True).start()

def test_leaves_a_file_open(tmp_path):
    kept.append(open(tmp_path / "file", "w"))

def test_lets_a_thread_die():
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()

def test_logs_an_error():
    logging.getLogger("anything").error("went wrong")

def test_waits_in_vain(wait_until):
    wait_until(lambda: False, 0.05, what="nothing")

def test_skips_what_could_be_installed():
    pytest.skip("the tool is not installed")

@pytest.mark.allows_errors("on purpose")
def test_may_log_an_error():
    logging.getLogger("anything").error("went wrong")

@pytest.mark.keeps_resources("on purpose")
def test_may_leave_a_file_open(tmp_path):
    kept.append(open(tmp_path / "file", "w"))

def test_may_skip_what_another_system_has():
    pytest.skip("only on Windows")

def test_is_given_time_to_end_its_thread():
    threading.Thread(target=threading.Event().wait, args=(0.2,)).start()

def test_sees_no_settings_of_whoever_runs_it():
    assert "SFOS_SERVER_PORT" not in os.environ
    assert not os.environ["XDG_CONFIG_HOME"].startswith(os.path.expanduser("~/.config"))
"""

FAILING = {
    "leaves_a_thread": "threads outlive the test",
    "leaves_a_file_open": "file descriptors left open",
    "lets_a_thread_die": "uncaught in a thread",
    "logs_an_error": "logged as ERROR",
    "waits_in_vain": "in vain for nothing",
    "skips_what_could_be_installed": "the tool is not installed",
}


@pytest.mark.skipif(sys.platform != "linux", reason="only on Linux, where open descriptors can be listed")
def test_leaks_unseen_errors_and_skips_fail_and_nothing_else_does(tmp_path: Path) -> None:
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package in ("tests/support", "sfos"):
        shutil.copytree(ROOT / package, tmp_path / package)
    (tmp_path / "tests" / "test_sample.py").write_text(SAMPLE)
    environ = {
        **os.environ,
        "SFOS_TEST_LEAK_GRACE_S": "1",
        "SFOS_REQUIRE_ALL": "1",
        "SFOS_SERVER_PORT": "1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environ,
    )
    failed = set(re.findall(r"^(?:FAILED|ERROR) \S+::test_(\w+)", done.stdout, re.MULTILINE))
    assert failed == set(FAILING), done.stdout
    for reason in FAILING.values():
        assert reason in done.stdout
    assert done.returncode == 1
