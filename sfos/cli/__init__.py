"""The command line: what `cli_client.py` runs.

    parser ─▶ options (what was asked, plain data) ─▶ main (one session, one command, one exit code)
                                                       ├── signing_in · password · remembering · foreseen
                                                       ├── listing · content · changing · watching
                                                       ├── account · sessions · admin
                                                       ├── putting · getting ─▶ transferring · progress
                                                       └── shell (streams, questions) · output (lines, tables)
                                                           known_tree (what watch has seen)
                                                           paths (where things go) · failures · exit_codes

Nothing here is imported by the client library or the window.
"""
