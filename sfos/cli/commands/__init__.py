"""The commands: a file for each, named as it is.

To add one: its file, with a `COMMAND` (see `sfos/cli/front/command.py`), and its line here.
"""

from __future__ import annotations

from collections.abc import Mapping

# In the order of --help, with the summaries of the files, so that it need not load any of them.
COMMANDS: Mapping[str, str] = {
    "ls": "list folders",
    "stat": "show all that is known of files and folders",
    "usage": "show how much is kept",
    "watch": "show changes as they happen",
    "put": "upload files and folders",
    "get": "download files and folders",
    "cat": "write files to standard output",
    "mkdir": "make folders",
    "mv": "move or rename",
    "cp": "copy on the server; no content is sent",
    "rm": "delete files and folders; the history keeps them",
    "login": "sign in, and keep the session",
    "sessions": "show where you are signed in",
    "logout": "end the session of this computer, or another of yours",
    "passwd": "change your password",
    "admin": "manage accounts, sessions and penalties (administrators only)",
}
