"""Quotas of accounts as people write and read them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from sfos.cli.front import output
from sfos.protocol import AccountEntry

if TYPE_CHECKING:
    from sfos.client.administration import Accounts

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([KMGTP]?)(i?)B?", re.IGNORECASE)
_MOST = 2**63 - 1


def add_files_option(parser: argparse.ArgumentParser) -> None:
    """`--files`; not given, it is no field of what was given."""
    parser.add_argument(
        "--files",
        type=quota_files,
        metavar="N",
        default=argparse.SUPPRESS,
        help="so many files, folders and links at a time; “none”, or “default”",
    )


def quota_bytes(text: str) -> int | None:
    """`text` in bytes: 50 GB is 50·10⁹, 50 GiB 50·2³⁰; 0 for “none”, None for “default”."""
    word = text.strip().lower()
    if word in ("none", "default"):
        return 0 if word == "none" else None
    found = _SIZE.fullmatch(text.strip())
    if found is not None:
        power = " KMGTP".index(found[2].upper() or " ")
        size: int = round(float(found[1]) * (1024 if found[3] else 1000) ** power)
        if 0 < size <= _MOST:
            return size
    raise argparse.ArgumentTypeError(f"“{text}” is no size: write 50 GB, 50 GiB, none or default")


def quota_files(text: str) -> int | None:
    """`text` as a number of files: 100000 or 100,000; 0 for “none”, None for “default”."""
    word = text.strip().lower()
    if word in ("none", "default"):
        return 0 if word == "none" else None
    digits = word.replace(",", "")
    if digits.isascii() and digits.isdigit() and 0 < int(digits) <= _MOST:
        return int(digits)
    raise argparse.ArgumentTypeError(f"“{text}” is no number of files: write 100000, none or default")


def shown_quota(account: AccountEntry, found: Accounts) -> str:
    """The quota in bytes, for people."""
    return _limit(account.quota_bytes, found.default_quota_bytes, output.size)


def shown_files(account: AccountEntry, found: Accounts) -> str:
    """The quota in files, for people."""
    return _limit(account.quota_files, found.default_quota_files, output.exact)


def _limit(own: int | None, default: int, show: Callable[[int], str]) -> str:
    limit = default if own is None else own
    shown = show(limit) if limit else "no limit"
    return f"{shown} (as all)" if own is None else shown
