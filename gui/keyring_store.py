"""Passwords in the system's keyring, and nowhere else. All methods block; call them from threads."""

from __future__ import annotations

import logging
import threading

_log = logging.getLogger(__name__)

_SERVICE = "secure-file-orchestration"
# Backends that keep nothing, or keep it where anyone can read it.
_UNREAL = ("keyring.backends.fail", "keyring.backends.null", "keyrings.alt")


class PasswordKeeper:
    """Remembers passwords by server and user, if this system has a real keyring."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._looked = False
        self._refusal: str | None = None

    def refusal(self) -> str | None:
        """Why no password can be kept here, as a sentence; None if it can."""
        with self._lock:
            if not self._looked:
                self._refusal = _find_refusal()
                self._looked = True
            return self._refusal

    def get(self, server: str, user: str) -> str | None:
        """The password, if it was kept. A keyring that fails or stays locked counts as one without it."""
        import keyring
        import keyring.errors

        try:
            return keyring.get_password(_SERVICE, f"{user}@{server}")
        except keyring.errors.KeyringError as error:
            _log.warning("the keyring did not answer: %s", error)
            return None

    def put(self, server: str, user: str, password: str) -> None:
        """Keep the password. A keyring that refuses is logged: signing in has worked without it."""
        import keyring
        import keyring.errors

        try:
            keyring.set_password(_SERVICE, f"{user}@{server}", password)
        except keyring.errors.KeyringError as error:
            _log.warning("the keyring did not take the password: %s", error)

    def forget(self, server: str, user: str) -> None:
        """Keep it no longer, if it was kept."""
        import keyring
        import keyring.errors

        try:
            if keyring.get_password(_SERVICE, f"{user}@{server}") is not None:
                keyring.delete_password(_SERVICE, f"{user}@{server}")
        except keyring.errors.KeyringError as error:
            _log.warning("the keyring did not forget the password: %s", error)


def _find_refusal() -> str | None:
    import keyring
    from keyring.backends.chainer import ChainerBackend

    backend = keyring.get_keyring()
    backends = backend.backends if isinstance(backend, ChainerBackend) else [backend]
    if any(not type(each).__module__.startswith(_UNREAL) for each in backends):
        return None
    return "This system has no keyring, so the password cannot be kept safely."
