"""The administrators' commands, `admin …`: a file for each that has a `COMMAND` (see `sfos/cli/front/command.py`)."""
