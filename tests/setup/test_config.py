"""Settings: every one documented, checked once, and wrong ones named with where they came from."""

import argparse
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import platformdirs
import pytest

from sfos import config, protocol
from sfos.programs.printing import example_toml
from sfos.startup.settings import allowed_values, keys_of, settings_of

ROOT = Path(__file__).parents[2]
KEYS = keys_of(config.SECTIONS)


def load(home: Path, argv: dict[str, str] | None = None, **environ: str) -> config.Config:
    return config.load(argv or {}, environ, home)


def write(home: Path, text: str) -> Path:
    (home / "config.toml").write_text(text)
    return home


def value(loaded: config.Config, key: str) -> object:
    section, name = key.split(".")
    return getattr(getattr(loaded, section), name)


# --- Where a value comes from -------------------------------------------------------------------------------------


def test_without_anything_the_defaults_hold(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    assert (loaded.server.host, loaded.server.port) == ("127.0.0.1", 8443)
    assert loaded.server.max_connections_per_address == 128
    assert loaded.server.memory_budget_bytes == 256 * 2**20
    assert loaded.server.stop_grace_s == 10
    assert loaded.storage.free_space_floor_bytes == 2**30
    assert loaded.storage.gc_grace_s == 24 * 3600
    assert loaded.storage.small_chunk_limit_bytes == 64 * 2**10
    assert loaded.storage.open_catalogs == 64
    assert loaded.storage.verify_after_seal is False
    assert loaded.security.scram_iterations == 600_000


def test_the_command_line_outranks_the_environment_which_outranks_the_file(tmp_path: Path) -> None:
    write(tmp_path, "[server]\nport = 1111\n")
    assert load(tmp_path).server.port == 1111
    assert load(tmp_path, SFOS_SERVER_PORT="2222").server.port == 2222
    assert load(tmp_path, {"server.port": "3333"}, SFOS_SERVER_PORT="2222").server.port == 3333


def test_home_is_the_argument_then_the_variable_then_the_checkout(tmp_path: Path) -> None:
    write(tmp_path, "[server]\nport = 1111\n")
    assert config.load({}, {"SFOS_HOME": str(tmp_path)}).server.port == 1111
    assert config.load({}, {"SFOS_HOME": "/nowhere"}, tmp_path).home == tmp_path
    assert config.load({}, {"SFOS_HOME": str(tmp_path)}, own_home=ROOT).home == tmp_path
    assert config.load({}, {"SFOS_HOME": ""}, own_home=ROOT).home == ROOT
    assert config.load({}, {}, own_home=ROOT).home == ROOT
    assert config.load({}, {}).home == platformdirs.user_data_path("sfos", appauthor=False)
    assert config.load({}, {}).home == config.platform_home()


def test_relative_paths_start_at_home_and_absolute_ones_stay(tmp_path: Path) -> None:
    write(tmp_path, '[server]\nstorage_dir = "elsewhere"\n[storage]\nmaster_key_file = "/mnt/key"\n')
    loaded = load(tmp_path)
    assert loaded.server.storage_dir == tmp_path / "elsewhere"
    assert loaded.server.credentials_file == tmp_path / "secrets" / "credentials.json"
    assert loaded.logging.server_file == tmp_path / "logs" / "server.log"
    assert loaded.storage.master_key_file == Path("/mnt/key")
    assert loaded.client.download_dir == Path.home() / "Downloads"
    assert loaded.client.state_dir == Path()


@pytest.mark.parametrize("key", KEYS)
def test_every_setting_can_be_given_in_each_of_the_three_ways(tmp_path: Path, key: str) -> None:
    section, name = key.split(".")
    default = settings_of(config.SECTIONS[section])[name].default
    text = (
        default.as_posix()
        if isinstance(default, Path)
        else str(default).lower()
        if isinstance(default, bool)
        else str(default)
    )
    if text == ".":
        text = ""
    expected = value(load(tmp_path), key)
    assert value(load(tmp_path, {key: text}), key) == expected
    assert value(load(tmp_path, None, **{f"SFOS_{section}_{name}".upper(): text}), key) == expected
    quoted = text if isinstance(default, bool | int | float) else f"'{text}'"
    write(tmp_path, f"[{section}]\n{name} = {quoted}\n")
    assert value(load(tmp_path), key) == expected


@pytest.mark.parametrize(
    ("text", "size"), [("65536", 65536), ("64 KiB", 65536), ("64KB", 65536), ("1 MiB", 2**20), ("1_048_576", 2**20)]
)
def test_sizes_may_bear_units(tmp_path: Path, text: str, size: int) -> None:
    assert load(tmp_path, SFOS_STORAGE_SMALL_CHUNK_LIMIT_BYTES=text).storage.small_chunk_limit_bytes == size


@pytest.mark.parametrize(
    ("text", "switch"), [("true", True), ("ON", True), ("1", True), ("no", False), (" Off ", False)]
)
def test_switches_have_several_words(tmp_path: Path, text: str, switch: bool) -> None:
    assert load(tmp_path, SFOS_STORAGE_VERIFY_AFTER_SEAL=text).storage.verify_after_seal is switch


# --- What is wrong is said ----------------------------------------------------------------------------------------


def message(home: Path, argv: dict[str, str] | None = None, **environ: str) -> str:
    with pytest.raises(config.ConfigError) as caught:
        load(home, argv, **environ)
    return str(caught.value)


@pytest.mark.parametrize(
    ("key", "wrong", "allowed"),
    [
        ("server.port", "65536", "a whole number from 0 to 65535"),
        ("server.port", "-1", "a whole number from 0 to 65535"),
        ("server.port", "8443.0", "a whole number"),
        ("server.port", "", "a whole number"),
        ("server.stop_grace_s", "nan", "a number from 0 to 600"),
        ("server.stop_grace_s", "inf", "a number from 0 to 600"),
        ("server.stop_grace_s", "soon", "a number from 0 to 600"),
        ("storage.verify_after_seal", "maybe", "true or false"),
        ("storage.master_key_source", "usb", "one of file, environment"),
        ("logging.level", "LOUD", "one of DEBUG, INFO, WARNING, ERROR"),
        ("security.scram_iterations", "4096", "a whole number from 600000 to 5000000"),
    ],
)
def test_a_wrong_value_is_named_with_its_origin_and_what_is_allowed(
    tmp_path: Path, key: str, wrong: str, allowed: str
) -> None:
    variable = "SFOS_" + key.replace(".", "_").upper()
    for text, origin in (
        (message(tmp_path, {key: wrong}), "the command line"),
        (message(tmp_path, None, **{variable: wrong}), variable),
    ):
        assert text.startswith(f"{key} = {wrong!r} (from ")
        assert origin in text and allowed in text
    section, name = key.split(".")
    text = message(write(tmp_path, f"[{section}]\n{name} = '{wrong}'\n"))
    assert str(tmp_path / "config.toml") in text and key in text and allowed in text


def test_a_wrong_value_is_named_also_where_another_outranks_it(tmp_path: Path) -> None:
    write(tmp_path, "[server]\nport = 99999\n")
    assert "config.toml" in message(tmp_path, {"server.port": "9000"}, SFOS_SERVER_PORT="9001")
    write(tmp_path, "")
    assert "SFOS_SERVER_PORT" in message(tmp_path, {"server.port": "9000"}, SFOS_SERVER_PORT="ninety")


@pytest.mark.parametrize(
    "line", ["port = true", "port = 1.5", "port = [1]", "host = 1", "storage_dir = 1", "stop_grace_s = false"]
)
def test_a_value_of_another_type_is_refused(tmp_path: Path, line: str) -> None:
    assert f"server.{line.split()[0]}" in message(write(tmp_path, f"[server]\n{line}\n"))


def test_a_wrong_key_is_named_with_the_nearest_right_one(tmp_path: Path) -> None:
    assert "SFOS_SERVER_PROT" in message(tmp_path, SFOS_SERVER_PROT="1")
    assert "did you mean SFOS_SERVER_PORT?" in message(tmp_path, SFOS_SERVER_PROT="1")
    assert "did you mean server.port?" in message(tmp_path, {"server.prot": "1"})
    text = message(write(tmp_path, "[server]\nprot = 1\n"))
    assert "server.prot" in text and "config.toml" in text and "max_connections_per_address" in text


def test_an_unknown_variable_does_not_show_its_value_which_may_be_a_secret(tmp_path: Path) -> None:
    assert "hunter2" not in message(tmp_path, SFOS_PASWORD="hunter2")


def test_an_unknown_section_is_named(tmp_path: Path) -> None:
    assert "sections: server" in message(tmp_path, {"sever.port": "1"})
    assert "[server], [security]" in message(write(tmp_path, "[sever]\nport = 1\n"))
    assert "port is no section" in message(write(tmp_path, "port = 1\n"))


def test_a_file_that_is_not_toml_is_named(tmp_path: Path) -> None:
    assert "config.toml is not TOML" in message(write(tmp_path, "[server\n"))
    (tmp_path / "config.toml").write_bytes(b"\xff")
    assert "config.toml cannot be read" in message(tmp_path)


@pytest.mark.parametrize("variable", [*sorted(config.OTHER_VARIABLES - {"SFOS_HOME"}), "SFOS_TEST_DISPLAY", "OTHER"])
def test_variables_that_are_no_settings_are_left_alone(tmp_path: Path, variable: str) -> None:
    assert load(tmp_path, None, **{variable: "anything"}) == load(tmp_path)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("server.max_connections_per_address", "1101"),
        ("server.max_connections", "10"),
        ("security.penalty_base_s", "901"),
        ("security.session_idle_timeout_s", "43201"),
        ("security.password_max_length", "64"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(tmp_path: Path, key: str, text: str) -> None:
    other = {"security.password_min_length": "128"} if key == "security.password_max_length" else {}
    assert "must not be more than" in message(tmp_path, {key: text, **other})


def test_a_configuration_cannot_be_changed(tmp_path: Path) -> None:
    with pytest.raises(AttributeError, match="immutable"):
        load(tmp_path).server.port = 1  # type: ignore[misc]


# --- The example, the documentation, the command line -------------------------------------------------------------


def test_the_example_file_is_what_the_code_says() -> None:
    example = (ROOT / "config.example.toml").read_text(encoding="utf-8")
    assert example == example_toml(), "python config.py --example > config.example.toml"


def test_the_example_changes_nothing_as_it_is_and_is_valid_with_every_line_uncommented(tmp_path: Path) -> None:
    example = (ROOT / "config.example.toml").read_text(encoding="utf-8")
    default = load(tmp_path)
    assert load(write(tmp_path, example)) == default
    lines = [
        line.removeprefix("# ") if " = " in line and line.startswith("# ") else line for line in example.splitlines()
    ]
    kept = [line for line in lines if not line.startswith("#")]
    document = tomllib.loads("\n".join(kept))
    assert [f"{section}.{name}" for section, table in document.items() for name in table] == KEYS
    assert load(write(tmp_path, "\n".join(kept))) == default


def test_every_setting_has_a_sentence_a_default_that_is_allowed_and_its_unit(tmp_path: Path) -> None:
    for section, kind in config.SECTIONS.items():
        for item in settings_of(kind).values():
            assert item.rule.doc.endswith("."), f"{section}.{item.name}"
            assert allowed_values(item)
            if item.kind in (int, float) and item.name.endswith(("timeout", "size", "limit")):
                pytest.fail(f"{section}.{item.name} does not say its unit")


def test_every_setting_is_read_by_some_program() -> None:
    packages = ("cli", "client", "gui", "programs", "server")
    sources = [path for name in packages for path in (ROOT / "sfos" / name).rglob("*.py")]
    text = "\n".join(
        path.read_text(encoding="utf-8") for path in (*sources, ROOT / "sfos" / "config.py", *ROOT.glob("*.py"))
    )
    unread = [key for key in KEYS if not re.search(rf"\.{key.split('.')[1]}\b", text)]
    assert unread == []


@pytest.mark.parametrize(
    "script", ["create_credentials.py", "generate_certificate.py", "ssl_server.py", "cli_client.py", "gui_client.py"]
)
def test_a_python_without_the_dependencies_is_told_in_one_line(script: str) -> None:
    # -S: without site-packages, as a system's Python is.
    command = [sys.executable, "-S", str(ROOT / script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "is not installed" in done.stderr and "./run.sh setup" in done.stderr


def test_the_module_prints_the_example() -> None:
    command = [sys.executable, str(ROOT / "config.py"), "--example"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout == example_toml()


def test_the_module_prints_every_setting_its_value_and_where_it_comes_from(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[server]\nhost = '::1'\n")
    command = [sys.executable, str(ROOT / "config.py"), "--home", str(tmp_path), "--set", "client.user=anna"]
    environ = {**os.environ, "SFOS_SERVER_PORT": "9000", "SFOS_MASTER_KEY": "topsecret", "SFOS_PASSWORD": "topsecret"}
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=environ, cwd=tmp_path)
    found = tomllib.loads(run.stdout)
    assert {f"{section}.{name}" for section, table in found.items() for name in table} == set(KEYS)
    assert (found["server"]["port"], found["server"]["host"], found["client"]["user"]) == (9000, "::1", "anna")
    assert found["server"]["storage_dir"] == str(tmp_path / "server_storage")
    origins = {line.split(" = ")[0]: line.rpartition("  # ")[2] for line in run.stdout.splitlines() if " = " in line}
    assert origins["port"] == "the environment variable SFOS_SERVER_PORT"
    assert origins["host"] == str(tmp_path / "config.toml")
    assert (origins["user"], origins["listen_backlog"]) == ("the command line", "default")
    assert "topsecret" not in run.stdout + run.stderr


def test_the_module_says_in_one_line_which_setting_is_wrong(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "config.py"), "--home", str(tmp_path), "--set", "server.port=x"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr.count("\n")) == (2, "", 1)
    assert "server.port" in run.stderr


def test_the_door_to_the_protocol_prints_its_commands() -> None:
    run = subprocess.run([sys.executable, str(ROOT / "protocol.py")], capture_output=True, text=True, check=True)
    assert [line.split()[0] for line in run.stdout.splitlines()[1:]] == list(protocol.COMMANDS_BY_NAME)


@pytest.mark.parametrize("words", [["config.py"], ["config.py", "--example"], ["protocol.py"]])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_went_away_is_no_failure_of_the_doors(words: list[str], unbuffered: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        run = subprocess.run(
            [sys.executable, str(ROOT / words[0]), *words[1:]],
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            stdout=writing,
            stderr=subprocess.PIPE,
            check=False,
        )
    finally:
        os.close(writing)
    assert (run.returncode, run.stderr) == (0, b"")


@pytest.mark.parametrize("name", ["config", "protocol"])
def test_the_doors_at_the_top_give_everything_of_the_real_ones(name: str) -> None:
    program = (
        f"import {name}; from sfos import {name} as real; assert {name} is real; from {name} import *\n"
        "from protocol import make_verifier, COMMANDS; from config import load, SECTIONS"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")


def test_every_entry_script_gets_home_and_set_from_one_place(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    config.add_options(parser)
    options = parser.parse_args(["--home", str(tmp_path), "--set", "server.port=9000", "--set", "client.user=a=b"])
    loaded = config.load_from(options, {"server.host": "::1"})
    assert (loaded.home, loaded.server.port, loaded.client.user) == (tmp_path, 9000, "a=b")
    assert loaded.server.host == "::1"
    with pytest.raises(config.ConfigError, match=r"SECTION\.KEY=VALUE"):
        config.load_from(parser.parse_args(["--set", "server.port"]))


def test_the_password_policy_follows_the_settings(tmp_path: Path) -> None:
    policy = load(
        tmp_path, {"security.password_min_length": "14", "security.password_min_classes": "3"}
    ).security.password_policy
    assert (policy.min_length, policy.min_classes, policy.refuse_common) == (14, 3, True)


def test_a_home_directory_that_is_none_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", "~")
    with pytest.raises(config.ConfigError, match="HOME is no directory"):
        config.load(environ={}, home=tmp_path)
