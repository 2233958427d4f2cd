"""The edge of the storage: whatever goes wrong below leaves as one of protocol's errors, and is logged here once."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Concatenate, NoReturn, ParamSpec, Protocol, TypeVar

from sfos.protocol import DataDamaged, NewerFormat, SfosError, StorageFailed, StorageFull, StorageMissing
from sfos.server.catalog.wrong_values import NUMBERS_SHOWN_AS, SHOWN_AS
from sfos.server.disk.sqlite import FULL, DatabaseError
from sfos.server.disk.storage_faults import CodecUnknown, SpaceMissing, StorageFault, TokenDamaged

_log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")


def as_storage_error(error: Exception, space_id: str) -> SfosError:
    """The error that a client gets for what went wrong below; logged here, with the space."""
    if isinstance(error, CodecUnknown):
        _log.error("space %s: %s", space_id, error)
        return NewerFormat()
    if isinstance(error, TokenDamaged):
        _log.error("space %s: damaged data: %s", space_id, error)
        return DataDamaged()
    if isinstance(error, StorageFault):
        _log.error("space %s: %s", space_id, error)
        return StorageMissing() if isinstance(error, SpaceMissing) else StorageFailed()
    if isinstance(error, OSError) and error.errno in FULL:
        _log.warning("space %s: the disk is full: %s", space_id, error)
        return StorageFull()
    _log.error("space %s: the disk failed", space_id, exc_info=error)
    return error.as_wire_error() if isinstance(error, DatabaseError) else StorageFailed()


class Stored(Protocol):
    """Something that is kept in a catalog."""

    @property
    def space_id(self) -> str:
        """The space that it belongs to."""

    def wrong_value(self) -> str | None:
        """The first catalog value that this program cannot have written, or None."""


S = TypeVar("S", bound=Stored)

SHOWN_AS_DAMAGE = (StorageFault, OSError, DatabaseError, *NUMBERS_SHOWN_AS, *SHOWN_AS)
"""Errors by which something wrong with the storage can show, wherever it is met first; see `raise_explained`."""


def raise_explained(error: Exception, stored: Stored) -> NoReturn:
    """Raise what a client gets for one of SHOWN_AS_DAMAGE, logged; a mistake of this program as it is."""
    told = _explained(error, stored)
    if told is None:
        raise error
    raise told from error


def _explained(error: Exception, stored: Stored) -> SfosError | None:
    """The error that a client gets; None for a mistake of this program."""
    if isinstance(error, (StorageFault, OSError, DatabaseError)):
        return as_storage_error(error, stored.space_id)
    if isinstance(error, NUMBERS_SHOWN_AS):
        _log.error("space %s: damaged data: a row holds a number that no row can", stored.space_id, exc_info=error)
        return DataDamaged()
    wrong = stored.wrong_value()
    if wrong is None:
        return None
    _log.error("space %s: damaged data: %s", stored.space_id, wrong)
    return DataDamaged()


def guarded(function: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """The method, raising SfosError alone for what the storage can do wrong."""

    @functools.wraps(function)
    def call(stored: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(stored, *args, **kwargs)
        except SHOWN_AS_DAMAGE as error:
            raise_explained(error, stored)

    return call
