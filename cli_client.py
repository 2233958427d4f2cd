"""The command line: `sfos/programs/command_line.py`, at home in this folder."""

from __future__ import annotations

import os

from sfos.programs.command_line import run

if __name__ == "__main__":
    run(os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120 - not by pathlib: see there
