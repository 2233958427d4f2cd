"""The command line: `sfos/programs/command_line.py`, at home in this folder."""

from __future__ import annotations

from pathlib import Path

from sfos.programs.command_line import run

if __name__ == "__main__":
    run(Path(__file__).resolve().parent)
