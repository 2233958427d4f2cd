"""Errors of a SCRAM exchange, raised by `sfos.wire.scram` on either side."""

from __future__ import annotations

__all__ = [
    "BindingRefused",
    "ExchangeMisused",
    "IterationsRefused",
    "MalformedExchange",
    "ScramError",
    "ServerNotProven",
    "StaleSaltedPassword",
    "WrongProof",
]


class ScramError(Exception):
    """Signing in failed."""


class MalformedExchange(ScramError):
    """The other side does not speak SCRAM-SHA-256 as it should."""


class BindingRefused(ScramError):
    """The sign-in does not belong to this encrypted connection: someone may be in between."""


class IterationsRefused(ScramError):
    """The server asks for an amount of work that no honest server asks for."""


class WrongProof(ScramError):
    """The user name or the password is wrong."""


class ServerNotProven(ScramError):
    """The server could not prove that it knows this account: it may be an impostor."""


class StaleSaltedPassword(ScramError):
    """The password has changed since it was remembered."""


class ExchangeMisused(ScramError):
    """A step of the exchange was taken out of turn."""
