"""`login`: a session that is kept for the next commands."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import msgspec

from sfos.cli.front.command import EntranceCommand, Subject
from sfos.cli.front.output import duration
from sfos.client.session import keyring_store

if TYPE_CHECKING:
    from sfos.cli.front.signing_in import Entrance


class LoginOptions(msgspec.Struct, frozen=True):
    """`login`. `remember`: keep the password in the keyring."""

    remember: bool = False


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--remember", action="store_true", help="also keep the password in this computer's keyring")


def run(way_in: Entrance, options: LoginOptions) -> int:
    """Sign in anew, whatever session there is: so the password is checked, and the session lasts its full time."""
    account, shell = way_in.account, way_in.shell
    session, secret = way_in.sign_in()
    with session:
        way_in.remember(as_default=True)
        idle = session.info.idle_timeout_s
        ends = f" The session ends after {duration(idle)} without a command." if idle else ""
        shell.note(
            f"Signed in as {account}; commands that name no server and user mean this account from now on.{ends}"
        )
    if options.remember and not keyring_store.put(account.user, account.address, secret):
        shell.warn("The password is not kept: this computer has no keyring, or it is locked.")
        return 1
    return 0


COMMAND = EntranceCommand(
    words="login",
    summary="sign in, and keep the session",
    subject=Subject.SESSIONS,
    options=LoginOptions,
    arguments=_arguments,
    run=run,
)
