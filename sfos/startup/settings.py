"""Reading of settings: a value that somebody gave becomes the type that its setting has, or is named as wrong.

Which settings there are, and who outranks whom, `config.py` says: this module is given its tables, a `msgspec.Struct`
for each section of the file, whose fields are `Annotated` with a `Rule`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, get_args, get_type_hints

import msgspec

Sections: TypeAlias = Mapping[str, type[msgspec.Struct]]


class ConfigError(Exception):
    """A setting has a wrong name or value."""


class Rule(NamedTuple):
    """Sentence for people about a setting, and the values allowed (both bounds inclusive)."""

    doc: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()


class Setting(NamedTuple):
    """One setting of a section. `kind`: its type."""

    name: str
    kind: type
    default: Any
    rule: Rule


class Given(NamedTuple):
    """A value somebody gave, and the place to look for it."""

    value: object
    origin: str


# --- What there is ------------------------------------------------------------------------------------------------


def keys_of(sections: Sections) -> list[str]:
    """Every key, as "server.port", in the order of the tables."""
    return [f"{name}.{field}" for name, kind in sections.items() for field in kind.__struct_fields__]


@cache
def settings_of(section: type[msgspec.Struct]) -> Mapping[str, Setting]:
    """The settings of a section, by name. Reading annotations takes time, so ask where something is said of it only."""
    hints = get_type_hints(section, include_extras=True)
    settings: dict[str, Setting] = {}
    for name, default in _defaults(section).items():
        kind, rule = get_args(hints[name])
        settings[name] = Setting(name, kind, default, rule)
    return settings


def _defaults(section: type[msgspec.Struct]) -> dict[str, Any]:
    return dict(zip(section.__struct_fields__, section.__struct_defaults__, strict=True))


def allowed_values(setting: Setting) -> str:
    """Phrase for the values a setting may have: "a whole number from 0 to 65535"."""
    _, low, high, choices = setting.rule
    if choices:
        return "one of " + ", ".join(choices)
    kinds = {int: "a whole number", float: "a number", bool: "true or false", str: "a text", Path: "a path"}
    phrase = kinds[setting.kind]
    if low is None:
        return phrase
    return f"{phrase} from {low:.15g} to {high:.15g}"


# --- What was given -----------------------------------------------------------------------------------------------


def given_in_file(path: Path, sections: Sections) -> dict[str, Given]:
    """Settings of a TOML file, by key; none if there is no such file. Raises: ConfigError."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    import tomllib  # only now: most programs have no such file, and start sooner without it

    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    given: dict[str, Given] = {}
    for section, table in document.items():
        if section not in sections or not isinstance(table, dict):
            allowed = ", ".join(f"[{name}]" for name in sections)
            raise ConfigError(f"{path}: {section} is no section; there are {allowed}")
        for name, value in table.items():
            _check_known(f"{section}.{name}", str(path), sections)
            given[f"{section}.{name}"] = Given(value, str(path))
    return given


def given_in_environment(
    environ: Mapping[str, str], sections: Sections, prefix: str, other_variables: Iterable[str]
) -> dict[str, Given]:
    """Settings from the variables with `prefix`, by key; `other_variables` have it too, and are no settings.

    Raises: ConfigError.
    """
    variables = {prefix + key.replace(".", "_", 1).upper(): key for key in keys_of(sections)}
    given: dict[str, Given] = {}
    for variable, value in environ.items():
        if not variable.startswith(prefix) or variable in other_variables:
            continue
        if variable not in variables:
            names = [*variables, *other_variables]
            # Without the value: it may be a password under a name mistyped.
            raise ConfigError(f"{variable} (from the environment): no such setting{_nearest(variable, names)}")
        given[variables[variable]] = Given(value, f"the environment variable {variable}")
    return given


def given_by_hand(values: Mapping[str, str], origin: str, sections: Sections) -> dict[str, Given]:
    """`values` by key. Raises: ConfigError for one that there is not."""
    for key in values:
        _check_known(key, origin, sections)
    return {key: Given(value, origin) for key, value in values.items()}


def _check_known(key: str, origin: str, sections: Sections) -> None:
    keys = keys_of(sections)
    if key in keys:
        return
    section = key.split(".", 1)[0]
    if section in sections:
        allowed = ", ".join(sections[section].__struct_fields__)
        raise ConfigError(f"{key} (from {origin}): no such setting{_nearest(key, keys)}; [{section}] has {allowed}")
    raise ConfigError(f"{key} (from {origin}): no such setting{_nearest(key, keys)}; sections: {', '.join(sections)}")


def _nearest(name: str, names: Iterable[str]) -> str:
    import difflib  # only now, as above

    close = difflib.get_close_matches(name, list(names), n=1)
    return f" (did you mean {close[0]}?)" if close else ""


# --- What it is ---------------------------------------------------------------------------------------------------


def section_of(name: str, kind: type[msgspec.Struct], given: Mapping[str, Given], home: Path) -> Any:
    """One section: what was given, else the defaults; relative paths start at `home`. Raises: ConfigError."""
    values: dict[str, object] = {}
    for field, default in _defaults(kind).items():
        key = f"{name}.{field}"
        value = _checked(key, settings_of(kind)[field], given[key]) if key in given else default
        if isinstance(value, Path) and value != Path():
            value = home / value.expanduser()
        values[field] = value
    return kind(**values)


def check_values(given: Mapping[str, Given], sections: Sections) -> None:
    """Check that each setting may have its value. Raises: ConfigError."""
    for key, entry in given.items():
        section, name = key.split(".", 1)
        _checked(key, settings_of(sections[section])[name], entry)


def _checked(key: str, setting: Setting, given: Given) -> object:
    """The value as the type that the setting has.

    Raises: ConfigError.
    """
    parse = {int: _whole_number, float: _number, bool: _switch, str: _text, Path: _path}[setting.kind]
    try:
        value = parse(given.value)
    except (ValueError, TypeError) as error:
        raise _wrong(key, setting, given) from error
    _, low, high, choices = setting.rule
    if choices:
        value = next((choice for choice in choices if choice.lower() == str(value).lower()), None)
    below = low is not None and isinstance(value, int | float) and value < low
    above = high is not None and isinstance(value, int | float) and value > high
    if value is None or below or above:
        raise _wrong(key, setting, given)
    return value


def _wrong(key: str, setting: Setting, given: Given) -> ConfigError:
    shown = repr(given.value)
    shown = shown if len(shown) <= 80 else shown[:77] + "..."
    return ConfigError(f"{key} = {shown} (from {given.origin}): must be {allowed_values(setting)}")


_SIZE = re.compile(r"([0-9][0-9_]*)\s*(?:(K|M|G|T)i?B)?")
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def _whole_number(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError
    return int(match.group(1)) * _UNITS.get(match.group(2), 1)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError
    number = float(value)
    if not math.isfinite(number):
        raise ValueError
    return number


def _switch(value: object) -> bool:
    if isinstance(value, bool):
        return value
    words = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
    if not isinstance(value, str) or value.strip().lower() not in words:
        raise ValueError
    return words[value.strip().lower()]


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _path(value: object) -> Path:
    text = _text(value)
    if "\0" in text:
        raise ValueError
    return Path(text)
