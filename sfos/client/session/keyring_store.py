"""Passwords in the operating system's keyring, and nowhere else; for the window and the command line alike.

Only a real keyring is used: the fallbacks of the library keep nothing, or keep it where anyone can read it. Every
function blocks, for the system may ask the person to unlock; and none raises, for without a keyring all else works.
"""

from __future__ import annotations

import logging

from sfos.client.address import Address

_log = logging.getLogger(__name__)

SERVICE = "secure-file-orchestration"
NO_KEYRING = "This system has no keyring, so the password cannot be kept safely."
_RECOMMENDED = 1.0  # the library's own word for backends of this priority and above


def refusal() -> str | None:
    """Reason why no password can be kept here, as a sentence; None if it can."""
    try:
        import keyring
        from keyring.backends.chainer import ChainerBackend

        backend = keyring.get_keyring()
        # A chain ranks above its links, which may all be fallbacks. It asks the best of them first.
        best = backend.backends[0] if isinstance(backend, ChainerBackend) else backend
        real = float(best.priority) >= _RECOMMENDED
    except Exception as error:  # what is configured may be gone, and what a backend needs may be missing
        _log.debug("no keyring can be used", exc_info=error)
        real = False
    return None if real else NO_KEYRING


def get(user: str, address: Address) -> str | None:
    """The password kept for `user`; None too where the keyring stays locked or fails."""
    if refusal() is not None:
        return None
    import keyring

    try:
        return keyring.get_password(SERVICE, _name(user, address))
    except Exception as error:  # a backend is somebody else's program and raises what it likes; one can still type
        _log.info("the keyring did not answer: %s", error)
        return None


def put(user: str, address: Address, password: str) -> bool:
    """Keep the password; whether that worked."""
    if refusal() is not None:
        return False
    import keyring

    try:
        keyring.set_password(SERVICE, _name(user, address), password)
    except Exception as error:  # as in `get`
        _log.info("the keyring did not take the password: %s", error)
        return False
    return True


def renew(user: str, address: Address, password: str) -> None:
    """Keep `password` in place of what is kept for `user`, if anything is: it was changed, and the old one is wrong."""
    if get(user, address) is not None and not put(user, address, password):
        forget(user, address)


def forget(user: str, address: Address) -> bool:
    """Keep it no longer; whether one was kept."""
    if refusal() is not None:
        return False
    import keyring

    name = _name(user, address)
    try:
        if keyring.get_password(SERVICE, name) is None:
            return False
        keyring.delete_password(SERVICE, name)
    except Exception as error:  # as in `get`
        _log.info("the keyring did not forget the password: %s", error)
        return False
    return True


def _name(user: str, address: Address) -> str:
    return f"{user}@{address}"
