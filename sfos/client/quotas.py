"""Limits of accounts as people write and read them, in every front end."""

from __future__ import annotations

import re

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([KMGTP]?)(i?)B?", re.IGNORECASE)
_MOST = 2**63 - 1


def quota_bytes(text: str) -> int | None:
    """`text` in bytes: 50 GB is 50·10⁹, 50 GiB 50·2³⁰; 0 for “none”, None for “default”. Raises: ValueError."""
    word = text.strip().lower()
    if word in ("none", "default"):
        return 0 if word == "none" else None
    found = _SIZE.fullmatch(text.strip())
    if found is not None:
        power = " KMGTP".index(found[2].upper() or " ")
        size: int = round(float(found[1]) * (1024 if found[3] else 1000) ** power)
        if 0 < size <= _MOST:
            return size
    raise ValueError(f"“{text}” is no size: write 50 GB, 50 GiB, none or default")


def quota_files(text: str) -> int | None:
    """`text` as a number of files: 100000 or 100,000; 0 for “none”, None for “default”. Raises: ValueError."""
    word = text.strip().lower()
    if word in ("none", "default"):
        return 0 if word == "none" else None
    digits = word.replace(",", "")
    if digits.isascii() and digits.isdigit() and 0 < int(digits) <= _MOST:
        return int(digits)
    raise ValueError(f"“{text}” is no number of files: write 100000, none or default")
