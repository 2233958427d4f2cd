"""The administrators' commands, `admin …`: a file for each, named as it is.

To add one: its file, with a `COMMAND` (see `sfos/cli/front/command.py`), and its line here.
"""

from __future__ import annotations

from collections.abc import Mapping

# In the order of `admin --help`, with the summaries of the files, so that it need not load any of them.
COMMANDS: Mapping[str, str] = {
    "users": "list all accounts",
    "add": "make an account",
    "reset": "give an account another password, to be changed at once",
    "disable": "keep an account from signing in, and end its sessions",
    "enable": "let a disabled account sign in again",
    "role": "make an account an administrator's, or a user's",
    "quota": "say how much an account may store",
    "remove": "remove an account; its files stay on the server's disk",
    "sessions": "show who is signed in, from where",
    "logout": "end a user's sessions, at once",
    "penalties": "show who has signed in wrongly, and has to wait",
    "lift": "forget wrong sign-ins",
    "audit": "show the end of the audit log",
}
