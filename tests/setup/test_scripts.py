"""create_credentials.py and generate_certificate.py as people run them: processes, terminals, exit codes."""

import contextlib
import io
import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sfos.programs import accounts as create_credentials
from sfos.programs import certificate as generate_certificate
from sfos.protocol import check_password_against
from sfos.server.identity.credential_file import CredentialFile
from sfos.server.net import certificate
from tests.setup.accounts import account

ROOT = Path(__file__).parents[2]
GOOD = "tulip canoe 9 marble"
OTHER = "seven otters by the pond"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "a home"
    monkeypatch.setenv("SFOS_HOME", str(directory))
    return directory


def run_process(script: str, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / script), *arguments]
    return subprocess.run(command, check=False, input=typed, capture_output=True, text=True, cwd="/")


def run(script: str, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    """Run a script in this process, which spares the third of a second that the imports take."""
    main = {"create_credentials.py": create_credentials.main, "generate_certificate.py": generate_certificate.main}[
        script
    ]
    out, err = io.StringIO(), io.StringIO()
    keyboard, sys.stdin = sys.stdin, io.StringIO(typed, newline=None)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(arguments)
    except SystemExit as left:  # argparse's own way out
        assert isinstance(left.code, int)
        code = left.code
    finally:
        sys.stdin = keyboard
    return subprocess.CompletedProcess([script, *arguments], code, out.getvalue(), err.getvalue())


def credentials(*arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    return run("create_credentials.py", *arguments, typed=typed)


def add(name: str, *arguments: str, password: str = GOOD) -> None:
    done = credentials("add", name, "--password-stdin", *arguments, typed=password + "\n")
    assert done.returncode == 0, done.stderr


def on_terminal(*arguments: str, answers: list[tuple[str, str]]) -> tuple[int, str]:
    """Run create_credentials.py on a terminal, answer each prompt; its exit code and all that the terminal showed."""
    ours, theirs = pty.openpty()
    command = [sys.executable, str(ROOT / "create_credentials.py"), *arguments]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True) as process:
        os.close(theirs)
        shown = ""
        waiting = list(answers)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if not select.select([ours], [], [], 1)[0]:
                continue
            try:
                shown += os.read(ours, 4096).decode()
            except OSError:  # Linux: the last one has closed the other end
                break
            if waiting and shown.rstrip().endswith(waiting[0][0]):
                os.write(ours, (waiting.pop(0)[1] + "\n").encode())
    os.close(ours)
    assert not waiting, f"never asked {waiting[0][0]!r}: {shown}"
    return process.returncode, shown


@pytest.fixture
def accounts(home: Path) -> CredentialFile:
    return CredentialFile(home / "secrets" / "credentials.json")


# --- create_credentials.py ----------------------------------------------------------------------------------------


def test_without_a_word_the_two_default_accounts_are_made(accounts: CredentialFile) -> None:
    done = run_process("create_credentials.py")
    assert (done.returncode, done.stderr) == (0, "")
    assert "admin / admin123" in done.stdout and "user1 / user123" in done.stdout
    admin, user1 = accounts.accounts()
    assert (admin.name, admin.role, admin.must_change, user1.name, user1.role, user1.must_change) == (
        *("admin", "admin", True),
        *("user1", "user", True),
    )
    assert check_password_against("admin123", admin.verifier)
    assert check_password_against("user123", user1.verifier)
    assert admin.verifier.iterations == 600_000
    assert admin.verifier.salt != user1.verifier.salt


def test_without_a_word_existing_accounts_are_named_and_left_alone(accounts: CredentialFile) -> None:
    add("alice")
    before = accounts.path.read_bytes()
    done = credentials()
    assert done.returncode == 0
    assert "There are accounts already" in done.stdout and "alice" in done.stdout
    assert accounts.path.read_bytes() == before


def test_an_added_account_has_its_password_and_role(accounts: CredentialFile) -> None:
    arguments = ("add", "alice", "--role", "admin", "--password-stdin")
    done = run_process("create_credentials.py", *arguments, typed=GOOD + "\n")
    assert (done.returncode, done.stderr) == (0, "")
    alice = account(accounts, "alice")
    assert (alice.role, alice.must_change) == ("admin", False)
    assert check_password_against(GOOD, alice.verifier)
    add("bob", "--must-change", password=OTHER)
    assert (account(accounts, "bob").role, account(accounts, "bob").must_change) == ("user", True)


def test_a_password_typed_on_a_terminal_is_not_shown(accounts: CredentialFile) -> None:
    code, shown = on_terminal("add", "alice", answers=[("New password for alice:", GOOD), ("Again:", GOOD)])
    assert code == 0, shown
    assert GOOD not in shown
    assert check_password_against(GOOD, account(accounts, "alice").verifier)


def test_two_different_passwords_change_nothing(accounts: CredentialFile) -> None:
    code, shown = on_terminal("add", "alice", answers=[("New password for alice:", GOOD), ("Again:", OTHER)])
    assert (code, accounts.find("alice")) == (1, None)
    assert "the two passwords differ" in shown


def test_ctrl_c_at_the_prompt_changes_nothing(accounts: CredentialFile) -> None:
    code, shown = on_terminal("add", "alice", answers=[("New password for alice:", "\x04")])
    assert (code, accounts.find("alice")) == (1, None)
    assert "Traceback" not in shown


def test_without_a_terminal_the_password_has_to_come_by_standard_input(accounts: CredentialFile) -> None:
    done = credentials("add", "alice")
    assert done.returncode == 1
    assert "--password-stdin" in done.stderr
    assert accounts.find("alice") is None


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("short", "at least 10"),
        ("password2026!", "everybody tries first"),
        ("", "empty"),
        ("aaaaaaaaaaaaa", "different characters"),
        ("alice-secret", "user name"),
    ],
)
def test_a_password_that_does_not_meet_the_requirements_is_refused_with_the_reason(
    accounts: CredentialFile, password: str, reason: str
) -> None:
    done = credentials("add", "alice", "--password-stdin", typed=password + "\n")
    assert done.returncode == 1
    assert reason in done.stderr
    assert not password or password not in done.stderr
    assert accounts.find("alice") is None


def test_the_requirements_are_settings(accounts: CredentialFile) -> None:
    done = credentials("--set", "security.password_min_length=30", "add", "alice", "--password-stdin", typed=GOOD)
    assert done.returncode == 1
    assert "at least 30" in done.stderr


def test_passwd_gives_a_new_password_and_ends_the_duty_to_change(accounts: CredentialFile) -> None:
    credentials()
    done = credentials("passwd", "user1", "--password-stdin", typed=OTHER + "\r\n")
    assert done.returncode == 0, done.stderr
    user1 = account(accounts, "user1")
    assert check_password_against(OTHER, user1.verifier)
    assert not user1.must_change


def test_accounts_are_disabled_enabled_promoted_and_removed(accounts: CredentialFile) -> None:
    add("alice", "--role", "admin")
    add("bob")
    assert credentials("disable", "bob").returncode == 0
    assert account(accounts, "bob").disabled
    assert credentials("enable", "bob").returncode == 0
    assert not account(accounts, "bob").disabled
    assert credentials("role", "bob", "admin").returncode == 0
    assert account(accounts, "bob").role == "admin"
    gone = account(accounts, "bob").user_id
    done = credentials("remove", "bob")
    assert done.returncode == 0
    assert gone in done.stdout
    assert accounts.find("bob") is None


def test_removing_on_a_terminal_asks_for_the_name(accounts: CredentialFile) -> None:
    add("alice", "--role", "admin")
    add("bob")
    code, _ = on_terminal("remove", "bob", answers=[("to confirm:", "no")])
    assert (code, accounts.find("bob") is not None) == (1, True)
    code, _ = on_terminal("remove", "bob", answers=[("to confirm:", "bob")])
    assert (code, accounts.find("bob")) == (0, None)


def test_list_says_what_exists_for_people_and_for_programs(accounts: CredentialFile) -> None:
    assert credentials("list").stdout == "There are no accounts.\n"
    add("alice", "--role", "admin")
    add("bob", "--must-change")
    people = credentials("list").stdout
    assert re.search(r"alice +\(admin\)", people) and re.search(r"bob +\(user, must change", people)
    programs = json.loads(credentials("list", "--json").stdout)
    assert [(entry["name"], entry["role"], entry["must_change"]) for entry in programs] == [
        ("alice", "admin", False),
        ("bob", "user", True),
    ]
    assert "verifier" not in programs[0]


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (("passwd", "nobody", "--password-stdin"), 1, "no account nobody"),
        (("disable", "nobody"), 1, "no account nobody"),
        (("remove", "nobody"), 1, "no account nobody"),
        (("remove", "alice"), 1, "only enabled administrator"),
        (("add", "alice", "--password-stdin"), 1, "an account alice already"),
        (("add", "Alice", "--password-stdin"), 1, "user name"),
        (("add",), 2, "NAME"),
        (("role", "alice", "king"), 2, "invalid choice"),
        (("dance",), 2, "invalid choice"),
        (("--set", "security.scram_iterations=1"), 2, "from 600000 to 5000000"),
        (("--set", "security.iterations=1"), 2, "no such setting"),
    ],
)
def test_what_cannot_be_done_ends_with_a_reason_and_a_code(
    accounts: CredentialFile, arguments: tuple[str, ...], code: int, reason: str
) -> None:
    add("alice", "--role", "admin")
    before = accounts.path.read_bytes()
    done = credentials(*arguments, typed=GOOD + "\n")
    assert done.returncode == code
    assert reason in done.stderr and "Traceback" not in done.stderr
    assert accounts.path.read_bytes() == before


def test_a_damaged_file_or_a_wrong_place_ends_with_a_reason(accounts: CredentialFile, home: Path) -> None:
    accounts.path.parent.mkdir(parents=True)
    accounts.path.write_text("junk")
    for arguments in ((), ("list",), ("add", "alice", "--password-stdin")):
        done = credentials(*arguments, typed=GOOD)
        assert done.returncode == 1
        assert str(accounts.path) in done.stderr and "Traceback" not in done.stderr
    assert accounts.path.read_text() == "junk"
    done = credentials("--home", str(accounts.path))
    assert (done.returncode, "Not a directory" in done.stderr) == (2, True)
    elsewhere = home / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "secrets").write_text("a file in the place of the directory")
    done = credentials("--home", str(elsewhere))
    assert (done.returncode, "Traceback" not in done.stderr) == (1, True)
    assert str(elsewhere / "secrets") in done.stderr


@pytest.mark.parametrize(("script", "code"), [("create_credentials.py", 2), ("generate_certificate.py", 2)])
def test_a_wrong_argument_is_an_exit_code_of_the_process(home: Path, script: str, code: int) -> None:
    done = run_process(script, "--nonsense")
    assert (done.returncode, "usage:" in done.stderr) == (code, True)


@pytest.mark.parametrize("script", ["create_credentials.py", "generate_certificate.py", "manage_storage.py"])
def test_a_script_is_run_by_its_own_name_too(script: str) -> None:
    search = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        [ROOT / script, "--help"], check=False, capture_output=True, text=True, env={**os.environ, "PATH": search}
    )
    assert (done.returncode, "usage:" in done.stdout) == (0, True)


def test_each_word_explains_itself() -> None:
    top = credentials("--help").stdout
    for word in ("add", "passwd", "disable", "enable", "remove", "role", "list"):
        assert word in top
        assert credentials(word, "--help").returncode == 0
    assert "exit codes" in top


# --- generate_certificate.py --------------------------------------------------------------------------------------


def test_a_certificate_is_made_and_its_fingerprint_shown_in_groups_and_words(home: Path) -> None:
    done = run_process("generate_certificate.py", "--host", "files.example.org", "--days", "30")
    assert (done.returncode, done.stderr) == (0, "")
    identity = certificate.load(home / "secrets" / "certificate.pem", home / "secrets" / "private_key.pem")
    assert identity.fingerprint.grouped in done.stdout
    assert identity.fingerprint.words in done.stdout
    assert "files.example.org" in identity.names
    remaining = identity.not_after.timestamp() - time.time()
    assert 29 * 86400 < remaining <= 30 * 86400


def test_renewal_keeps_the_key_and_a_new_key_is_announced(home: Path) -> None:
    def fingerprint(done: subprocess.CompletedProcess[str]) -> str:
        (found,) = re.findall(r"Fingerprint: +(.*)", done.stdout)
        return str(found)

    first = run("generate_certificate.py")
    second = run("generate_certificate.py")
    assert fingerprint(first) == fingerprint(second)
    assert "one from before" in second.stdout
    assert fingerprint(run("generate_certificate.py", "--show")) == fingerprint(first)
    third = run("generate_certificate.py", "--new-key")
    assert fingerprint(third) != fingerprint(first)
    assert "every client stops" in third.stdout


def test_if_missing_leaves_a_certificate_alone(home: Path) -> None:
    run("generate_certificate.py")
    before = (home / "secrets" / "certificate.pem").read_bytes()
    done = run("generate_certificate.py", "--if-missing")
    assert (done.returncode, "already" in done.stdout) == (0, True)
    assert (home / "secrets" / "certificate.pem").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (("--days", "0"), 2, "from 1 to 36500"),
        (("--days", "many"), 2, "from 1 to 36500"),
        (("--host", "a b"), 2, "neither a host name nor an IP address"),
        (("--show",), 1, "there is no"),
        (("--show", "--if-missing"), 2, "not allowed with"),
        (("now",), 2, "unrecognized"),
    ],
)
def test_what_cannot_be_made_ends_with_a_reason_and_a_code(
    home: Path, arguments: tuple[str, ...], code: int, reason: str
) -> None:
    done = run("generate_certificate.py", *arguments)
    assert done.returncode == code
    assert reason in done.stderr and "Traceback" not in done.stderr
    assert not (home / "secrets").exists()


def test_a_damaged_key_is_never_replaced_without_new_key(home: Path) -> None:
    run("generate_certificate.py")
    key = home / "secrets" / "private_key.pem"
    key.write_text("junk")
    done = run("generate_certificate.py")
    assert done.returncode == 1
    assert str(key) in done.stderr and "Traceback" not in done.stderr
    assert key.read_text() == "junk"
    assert run("generate_certificate.py", "--new-key").returncode == 0
