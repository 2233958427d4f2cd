"""The commands: a file for each, named as it is, with a `COMMAND` (see `sfos/cli/front/command.py`)."""
