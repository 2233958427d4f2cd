"""The edge of the storage: whatever goes wrong below leaves as one of protocol's errors, and is logged here once."""

from __future__ import annotations

import functools
import logging
import sqlite3
import struct
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from protocol import DataDamaged, SfosError, StorageFailed, StorageFull, StorageMissing
from server.sqlite_faults import FULL, as_wire_error
from server.storage_faults import SpaceMissing, StorageFault, TokenDamaged

_log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")


def as_storage_error(error: Exception) -> SfosError:
    """The error that a client gets for what went wrong below; logged here."""
    if isinstance(error, TokenDamaged):
        _log.error("damaged data: %s", error)
        return DataDamaged()
    if isinstance(error, StorageFault):
        _log.error("%s", error)
        return StorageMissing() if isinstance(error, SpaceMissing) else StorageFailed()
    if isinstance(error, OSError) and error.errno in FULL:
        _log.warning("the disk is full: %s", error)
        return StorageFull()
    _log.error("the disk failed", exc_info=error)
    return as_wire_error(error) if isinstance(error, sqlite3.Error) else StorageFailed()


def guarded(function: Callable[P, R]) -> Callable[P, R]:
    """`function`, raising SfosError alone for what the storage can do wrong."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except (StorageFault, OSError, sqlite3.Error) as error:
            raise as_storage_error(error) from error
        except (struct.error, OverflowError) as error:  # what clients send is bounded: it came out of the catalog
            _log.error("damaged data: a row holds a number that no row can", exc_info=error)
            raise DataDamaged from error

    return call
