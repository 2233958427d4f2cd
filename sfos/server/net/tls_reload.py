"""A certificate that is renewed while the server runs: new connections see the new one, open ones go on.

An OpenSSL context is frozen by its first use, so a new pair of files gets a context of its own, which takes the place
of the one before if it is good. A bad one is refused with a line of the log, and the one before stays.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
from pathlib import Path

from OpenSSL import SSL

from sfos.server.audit.log import AuditLog
from sfos.server.disk.durable_files import Signature, signature_of
from sfos.server.net.tls import CertificateUnusable, TlsIdentity, load_identity
from sfos.startup.programs import spelled

_log = logging.getLogger(__name__)

# Renewals that happen by themselves are done by then, so whoever sees this has something to do.
EXPIRES_SOON = dt.timedelta(days=30)
_TOLD_EVERY = dt.timedelta(days=1)

_Signatures = tuple[Signature | None, ...]  # of the certificate's file and the key's


class CurrentIdentity:
    """The certificate and key in use. Thread-safe."""

    def __init__(self, certificate_file: Path, private_key_file: Path, audit: AuditLog) -> None:
        """Raises: CertificateUnusable."""
        self._files = (certificate_file, private_key_file)
        self._audit = audit
        self._lock = threading.Lock()
        # `_tried`: the files that were read last, good or not. `_refused`: those that were last said to be no good.
        self._tried = self._seen = self._signature()
        self._refused: _Signatures | None = None
        self._current = load_identity(*self._files)
        self._told: dt.datetime | None = None
        self._warn_of_its_end()

    def context(self) -> SSL.Context:
        """Context for a connection that begins now."""
        return self._current.context

    def look(self) -> None:
        """Take the files if they are others than last time; for a chore that comes every few seconds.

        Only files that two looks in a row have found alike: key and certificate are replaced one after the other, and
        between the two they do not belong together.
        """
        with self._lock:
            seen, self._seen = self._seen, self._signature()
            if self._seen == seen != self._tried:
                self._take(again=self._seen == self._refused)
            self._warn_of_its_end()

    def reload(self) -> bool:
        """Take the files as they are now, because somebody says so. Whether they are good."""
        with self._lock:
            return self._take()

    def _take(self, *, again: bool = False) -> bool:
        """`again`: these files could not be read before, which has been said."""
        signature = self._signature()
        try:
            new = load_identity(*self._files)
        except CertificateUnusable as error:
            # What the system did not let be read may be good, and is tried again at the next look.
            self._tried = self._tried if isinstance(error.__cause__, OSError) else signature
            self._refused = signature
            if not again:
                _log.error("the certificate that was there before stays in use: %s", error)
                self._audit.write("certificate_refused", reason=str(error))
            return False
        self._tried, self._refused = signature, None
        old, self._current = self._current, new
        if new.certificate == old.certificate:
            _log.info("the certificate is the one in use already")
            return True
        self._told = None
        _log.info("new connections see another certificate, valid until %s", new.certificate.not_valid_after_utc)
        if new.fingerprint != old.fingerprint:
            _log.warning(
                "its key is another one, %s: every client stops until its user has accepted it", new.fingerprint.grouped
            )
        self._audit.write(
            "certificate_changed",
            fingerprint=new.fingerprint.grouped,
            same_pin=new.fingerprint == old.fingerprint,
            valid_until=new.certificate.not_valid_after_utc.isoformat(),
        )
        return True

    def _warn_of_its_end(self) -> None:
        """Once a day, when it is near or past: clients that have pinned the key go on, with a warning of their own."""
        now = dt.datetime.now(dt.UTC)
        if self._told is not None and now - self._told < _TOLD_EVERY:
            return
        self._told = now
        if (warning := end_is_near(self._current, now)) is not None:
            _log.warning("%s", warning)

    def _signature(self) -> _Signatures:
        return tuple(_signature(path) for path in self._files)


def end_is_near(identity: TlsIdentity, now: dt.datetime) -> str | None:
    """Warning about a certificate that has expired, expires soon, or is not valid yet; None if there is nothing to
    say."""
    begin, end = identity.certificate.not_valid_before_utc, identity.certificate.not_valid_after_utc
    if now < begin:
        return f"the certificate is valid from {begin:%Y-%m-%d} on only; is this machine's clock right?"
    if end - now > EXPIRES_SOON:
        return None
    said = "was valid until" if now > end else "is valid until"
    return f"the certificate {said} {end:%Y-%m-%d}; renew it, with the key it has: {spelled('certificate')}"


def _signature(path: Path) -> Signature | None:
    try:
        return signature_of(path)
    except OSError:
        return None
