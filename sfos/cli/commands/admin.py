"""`admin …`: accounts, sessions, penalties and the audit log, for administrators."""

from __future__ import annotations

from sfos.cli import admin
from sfos.cli.front.command import Group, Subject

_DETAILS = """\
  admin users                           all accounts
  admin add anna --generate             an account, with a password that is shown once
  admin reset anna                      another password, which she has to change at once; her sessions end
  admin quota anna "50 GB"              what she may store, history included; “none”, or “default”
  admin quota anna --files 100000       how many files and folders she may have at a time
  admin logout anna                     end her sessions
  admin lift --address 192.0.2.7        let that address try again
No command here shows or opens anybody's files. The last enabled administrator cannot be disabled, demoted or removed.
"""

COMMAND = Group(
    words="admin COMMAND …",
    summary="manage accounts, sessions and penalties (administrators only)",
    subject=Subject.ADMINISTRATION,
    package=admin.__name__,
    details=_DETAILS,
)
