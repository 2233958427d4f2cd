"""pyOpenSSL, without what a client seldom needs of it: import `SSL` and `crypto` from here.

pyOpenSSL imports `cryptography.x509` for annotations and conversions alone. That package costs a fifth of a short
command (127 of 583 million instructions, most of them for a regular expression that spans Unicode), and who finds the
pinned key looks into no certificate. So it is deferred, by the standard library's own means, until something is asked
of it; where it is loaded already, nothing changes.
"""

from __future__ import annotations

import importlib.util
import sys
import threading

import cryptography

_X509 = "cryptography.x509"
_loading = threading.Lock()


def _defer_x509() -> None:
    spec = importlib.util.find_spec(_X509)
    if _X509 in sys.modules or spec is None or spec.loader is None:
        return
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[_X509] = module
    spec.loader.exec_module(module)  # does not run it yet
    # As an import does; without it, `from cryptography import x509` would look into the module, and so load it.
    cryptography.x509 = module


def load_x509() -> None:
    """Call it before using `cryptography.x509`: two threads that were the first to use it would each load it."""
    with _loading:
        import cryptography.x509 as x509

        _ = x509.Certificate  # the first look at it loads it


_defer_x509()

from OpenSSL import SSL, crypto  # noqa: E402 - after x509 is deferred, which is what this module is for

__all__ = ["SSL", "crypto", "load_x509"]
