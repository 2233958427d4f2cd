"""Prints the settings in force, and the commands of the protocol: for the doors at the top of a checkout."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sfos import config
from sfos.protocol import COMMANDS, VERSION
from sfos.startup.programs import version_line
from sfos.startup.settings import allowed_values, settings_of

_DEFAULT = "default"


def print_settings(arguments: Sequence[str] | None = None, home: Path | None = None) -> int:
    """Print every setting with its value and where that comes from; the exit code. `home`: where none is named."""
    parser = argparse.ArgumentParser(
        prog="config.py",
        description="Print every setting, its value, and where that comes from. Keys and passwords are no settings.",
        epilog="exit codes: 0 printed · 1 not all could be printed · 2 wrong arguments or settings",
    )
    parser.add_argument(
        "--example", action="store_true", help="print the commented example file (config.example.toml) instead"
    )
    config.add_options(parser)
    options = parser.parse_args(arguments)
    if options.example:
        return _print(example_toml())
    try:
        overrides = config.overrides_in(options)
        settings, origins = config.load_with_origins(overrides, home=options.home, own_home=home)
    except config.ConfigError as error:
        sys.stderr.write(f"config: {error}\n")
        return 2
    return _print("\n".join(_settings_lines(settings, origins)) + "\n")


def _settings_lines(settings: config.Config, origins: Mapping[str, str]) -> Iterator[str]:
    yield f"# home: {settings.home}"
    for section in config.SECTIONS:
        values = getattr(settings, section)
        lines = [(name, _toml_value(getattr(values, name))) for name in values.__struct_fields__]
        width = max(len(f"{name} = {value}") for name, value in lines)
        yield ""
        yield f"[{section}]"
        for name, value in lines:
            yield f"{f'{name} = {value}':{min(width, 60)}}  # {origins.get(f'{section}.{name}', _DEFAULT)}"


def example_toml() -> str:
    """The text of config.example.toml: every setting with its comment, what is allowed, and its default."""
    lines = [
        "# Settings of SFOS.",
        "# Copy this file to config.toml and change what you need; a line that begins with # says the default.",
        "# SFOS_<SECTION>_<KEY> in the environment (SFOS_SERVER_PORT=9000) and the command line outrank this file.",
        '# Sizes in bytes may be written as "256 MiB"; times are seconds; relative paths start at SFOS_HOME.',
    ]
    for name, kind in config.SECTIONS.items():
        lines += ["", "", f"# {(kind.__doc__ or '').splitlines()[0]}", f"[{name}]"]
        for setting in settings_of(kind).values():
            lines += ["", f"# {setting.rule.doc}", f"# Allowed: {allowed_values(setting)}."]
            lines.append(f"# {setting.name} = {_toml_value(setting.default)}")
    return "\n".join(lines) + "\n"


def _toml_value(value: object) -> str:
    """The value as a settings file has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    text = "" if value == Path() else value.as_posix() if isinstance(value, Path) else str(value)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def print_commands(arguments: Sequence[str] | None = None) -> int:
    """Print the table of commands: name, who may give it, the most bytes of its bodies, what it does."""
    parser = argparse.ArgumentParser(prog="protocol.py", description="Print the commands of the protocol.")
    parser.add_argument("--version", action="version", version=version_line("server", VERSION))
    parser.parse_args(arguments)
    rows = [("command", "who", "request body", "reply body", "what it does")]
    rows += [
        (spec.name, spec.access.value, _size(spec.request_body), _size(spec.reply_body), spec.summary)
        for spec in COMMANDS.values()
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        f"{name:{widths[0]}}  {who:{widths[1]}}  {request:>{widths[2]}}  {reply:>{widths[3]}}  {summary}\n"
        for name, who, request, reply, summary in rows
    ]
    return _print("".join(lines))


def _print(text: str) -> int:
    """Print `text`; the exit code. A reader that went away, as `head` does, has what it wanted."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        # The interpreter flushes once more at its end: what is left goes nowhere, instead of failing again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return 0
        sys.stderr.write(f"the output cannot be written: {error.strerror}\n")
        return 1
    return 0


def _size(count: int) -> str:
    return f"{count:,}" if count else "-"
