"""Exit codes: every error has one, and --help explains every one."""

from __future__ import annotations

from sfos.cli.front import exit_codes
from sfos.client import errors as client_errors
from sfos.protocol import NotFound, SfosError, StorageFull


def every_error(root: type[SfosError]) -> list[type[SfosError]]:
    return [root, *(error for child in root.__subclasses__() for error in every_error(child))]


def test_help_explains_the_exit_code_of_every_error() -> None:
    assert client_errors.ClientError in every_error(SfosError)
    unexplained = {error.__name__: error.exit_code for error in every_error(SfosError)
                   if error.exit_code not in exit_codes.MEANINGS}  # fmt: skip
    assert not unexplained


def test_several_failures_of_one_kind_keep_its_code() -> None:
    assert exit_codes.of_errors([NotFound(), NotFound()]) == 4


def test_failures_of_different_kinds_make_a_general_failure() -> None:
    assert exit_codes.of_errors([NotFound(), StorageFull()]) == exit_codes.FAILED


def test_nothing_that_failed_is_done() -> None:
    assert exit_codes.of_errors([]) == exit_codes.DONE


def test_an_error_of_the_operating_system_concerns_this_computer() -> None:
    assert exit_codes.of_error(PermissionError(13, "Permission denied", "/x")) == 7


def test_what_nobody_expected_is_a_bug() -> None:
    assert exit_codes.of_error(ZeroDivisionError()) == exit_codes.BUG
