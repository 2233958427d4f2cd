#!/usr/bin/env python3
"""Make or renew the certificate: `sfos/programs/certificate.py`, at home in this folder."""

from __future__ import annotations

import sys
from pathlib import Path

from sfos.programs.certificate import main

if __name__ == "__main__":
    sys.exit(main(home=Path(__file__).resolve().parent))
