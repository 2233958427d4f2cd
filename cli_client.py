"""The command line: `python cli_client.py --help` says all there is."""

from __future__ import annotations

import os
import sys

import config
from client.cli.main import run


def _settings() -> config.Client:
    return config.load().client


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:], _settings, os.environ))
