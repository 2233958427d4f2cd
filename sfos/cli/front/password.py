"""Sources of a password, in this order: --password-file, SFOS_PASSWORD, the keyring, the person at the terminal.

A new one is typed twice, or comes from a file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from pathlib import Path

from sfos.cli.front.shell import Shell
from sfos.client.address import Address
from sfos.client.errors import LocalAccess
from sfos.client.session import keyring_store
from sfos.protocol import LoginRequired, PasswordRefused

ENVIRONMENT_VARIABLE = "SFOS_PASSWORD"
STANDARD_INPUT = "-"
_PROMPTS = 3  # as ssh asks; more only feeds the server's penalties


class Origin(Enum):
    """Source that a password came from."""

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
    """Sources of passwords to try, one after the other until one is right.

    One that was given for this command is the only one; a wrong one from the keyring leads to the prompt, which asks
    up to three times. Raises: LoginRequired where nobody can be asked; `Tell` raises LocalAccess, EOFError.
    """
    if password_file is not None:
        yield lambda: from_file(shell, password_file), Origin.FILE
        return
    if ENVIRONMENT_VARIABLE in environ:
        yield lambda: environ[ENVIRONMENT_VARIABLE], Origin.ENVIRONMENT
        return
    kept = keyring_store.get(user, address) if keyring else None
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


def typed_twice(shell: Shell, question: str, check: Callable[[str], None]) -> str:
    """A new password that `check` does not refuse (by PasswordRefused, which is said); asked for until there is one.

    Raises: EOFError.
    """
    while True:
        typed = shell.ask_secret(question)
        try:
            check(typed)
        except PasswordRefused as refused:
            shell.error(refused)
            continue
        if shell.ask_secret("Once more: ") == typed:
            return typed
        shell.warn("The two are not the same; nothing was changed yet.")


def from_file(shell: Shell, name: str) -> str:
    """The first line of the file `name`; of standard input for “-”. Raises: LocalAccess."""
    try:
        text = (
            shell.stdin.readline()
            if name == STANDARD_INPUT
            else Path(name).read_text(encoding="utf-8").split("\n", 1)[0]
        )
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror or "").rstrip(".") if isinstance(error, OSError) else "it is not text in UTF-8"
        raise LocalAccess(f"The password file cannot be read: {reason}.", subject=name) from error
    return text.removesuffix("\n").removesuffix("\r").removeprefix("\ufeff")
