"""Where passwords come from: --password-file, SFOS_PASSWORD, the keyring, or the person at the terminal; in this order.

The keyring is the operating system's, and only a real one: keyring's fallbacks keep nothing, or keep it in the open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from pathlib import Path

from client.address import Address
from client.cli.shell import Shell
from client.errors import LocalAccess
from protocol import LoginRequired

ENVIRONMENT_VARIABLE = "SFOS_PASSWORD"
KEYRING_SERVICE = "secure-file-orchestration"
STANDARD_INPUT = "-"
_PROMPTS = 3  # as ssh asks; more only feeds the server's penalties


class Origin(Enum):
    """Where a password was found."""

    FILE = "the password file"
    ENVIRONMENT = ENVIRONMENT_VARIABLE
    KEYRING = "the keyring"
    PROMPT = "the prompt"


Tell = Callable[[], str]  # gets the password itself: reads the file, or asks


def candidates(
    shell: Shell,
    environ: Mapping[str, str],
    password_file: str | None,
    user: str,
    address: Address,
    *,
    question: str = "Password",
    keyring: bool = True,
) -> Iterator[tuple[Tell, Origin]]:
    """Where to get passwords to try, one after the other until one is right.

    One that was given for this command is the only one; a wrong one from the keyring leads to the prompt, which asks
    up to three times. Raises: LoginRequired where nobody can be asked; `Tell` raises LocalAccess, EOFError.
    """
    if password_file is not None:
        yield lambda: from_file(shell, password_file), Origin.FILE
        return
    if ENVIRONMENT_VARIABLE in environ:
        yield lambda: environ[ENVIRONMENT_VARIABLE], Origin.ENVIRONMENT
        return
    kept = from_keyring(user, address) if keyring else None
    if kept is not None:
        yield lambda: kept, Origin.KEYRING
    if not shell.can_ask:
        if kept is None:
            raise LoginRequired(
                "There is no session and no terminal to ask for the password: run login on a terminal, "
                f"set {ENVIRONMENT_VARIABLE}, or give --password-file.",
                subject=f"{user}@{address}",
            )
        return
    for _ in range(_PROMPTS):
        yield lambda: shell.ask_secret(f"{question} of {user}@{address}: "), Origin.PROMPT


def from_file(shell: Shell, name: str) -> str:
    """The first line of the file `name`; of standard input for “-”. Raises: LocalAccess."""
    try:
        text = (
            shell.stdin.readline()
            if name == STANDARD_INPUT
            else Path(name).read_text(encoding="utf-8").split("\n", 1)[0]
        )
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise LocalAccess(f"The password file cannot be read: {reason}.", subject=name) from error
    return text.removesuffix("\n").removesuffix("\r").removeprefix("\ufeff")


def from_keyring(user: str, address: Address) -> str | None:
    """The password kept for `user`, if there is a real keyring and it holds one. May ask the person to unlock it."""
    import keyring
    import keyring.errors

    if not keyring_is_real():
        return None
    try:
        return keyring.get_password(KEYRING_SERVICE, f"{user}@{address}")
    except keyring.errors.KeyringError:
        return None  # locked and not unlocked, or broken: the prompt still works


def keep_in_keyring(user: str, address: Address, password: str) -> bool:
    """Keep the password; whether that worked."""
    import keyring
    import keyring.errors

    if not keyring_is_real():
        return False
    try:
        keyring.set_password(KEYRING_SERVICE, f"{user}@{address}", password)
    except keyring.errors.KeyringError:
        return False
    return True


def forget_in_keyring(user: str, address: Address) -> bool:
    """Delete the password; whether one was there."""
    import keyring
    import keyring.errors

    if not keyring_is_real():
        return False
    try:
        keyring.delete_password(KEYRING_SERVICE, f"{user}@{address}")
    except keyring.errors.KeyringError:
        return False
    return True


def keyring_is_real() -> bool:
    """Whether the system has a keyring that keeps secrets (keyring calls priority 1 and above “recommended”)."""
    import keyring

    return float(keyring.get_keyring().priority) >= 1
