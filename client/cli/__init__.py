"""The command line: what `cli_client.py` runs.

    parser → options (what was asked, plain data) → main (one session, one command, one exit code)
                                                     ├── listing · transfers · content · changing · watching · account
                                                     └── shell (streams) · output (lines, tables) · progress · password

Nothing here is imported by the client library.
"""
