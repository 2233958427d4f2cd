"""PBKDF2 only once for each password and salt of a process: tests sign in hundreds of times, and each costs 0.1 s.

What it makes is the same each time, so nothing that is tested changes; the number of iterations is the real one, since
no client of ours accepts fewer.
"""

from __future__ import annotations

import functools

from sfos.wire import scram


def remember_salted_passwords() -> None:
    """From now on, all logins of this process share what PBKDF2 made."""
    if not hasattr(scram.salt_password, "cache_clear"):
        scram.salt_password = functools.cache(scram.salt_password)
