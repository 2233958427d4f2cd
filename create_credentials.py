#!/usr/bin/env python3
"""Make and manage accounts: `sfos/programs/accounts.py`, at home in this folder."""

from __future__ import annotations

import sys
from pathlib import Path

from sfos.programs.accounts import main

if __name__ == "__main__":
    sys.exit(main(home=Path(__file__).resolve().parent))
