"""A home, and the files of a client, that a version before left behind, read by this one (fixtures/make_former.py)."""

from __future__ import annotations

import random
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import keyring
import msgspec
import pytest

from sfos.cli.front.remembering import remembered
from sfos.client.address import Address
from sfos.client.local.directories import pins_file, runtime_directory, state_directory
from sfos.client.net.trust import TrustStore
from sfos.client.session import keyring_store
from sfos.client.session.tickets import TicketStore
from sfos.client.transfer import queue_file
from sfos.config import Client
from sfos.gui import choices
from tests.support.memory_keyring import MemoryKeyring
from tests.support.server_process import CHECKOUT, run, running_server

FORMERS = sorted((Path(__file__).parent / "fixtures").glob("*.tar.gz"))
LARGE = bytes(random.Random(10).choices(b"sfos", k=300_000))

pytestmark = pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="the directories are those of XDG")


class Expected(msgspec.Struct):
    """Things to be found. `partial`: the half download's name; `keyring`: (service, name, password) each."""

    address: str
    made_unix_s: float
    partial: str
    keyring: list[tuple[str, str, str]]


@pytest.fixture(params=FORMERS, ids=lambda path: path.name.removesuffix(".tar.gz"))
def home(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of the version before; this process is a client of the same user."""
    place = tmp_path / "home"
    with tarfile.open(request.param) as archive:
        if hasattr(tarfile, "data_filter"):
            archive.extractall(place, filter="data")
        else:  # Python before 3.11.4
            archive.extractall(place)
    for private in ("run", "run/sfos", "secrets"):
        (place / private).chmod(0o700)
    monkeypatch.setenv("HOME", str(place / "user"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(place / "run"))
    monkeypatch.delenv("XDG_STATE_HOME")
    return place


@pytest.fixture
def expected(home: Path) -> Expected:
    return msgspec.json.decode((home / "expected.json").read_bytes(), type=Expected)


def test_the_home_opens_and_a_download_that_was_begun_goes_on(home: Path, expected: Expected) -> None:
    partial = home / "half" / expected.partial
    begun, there = partial.stat().st_ino, partial.stat().st_size
    assert LARGE.startswith(partial.read_bytes()) and 0 < there < len(LARGE)
    with running_server(home) as server:
        done = server.cli("get", "/large.txt", str(home / "half"))
        assert done.returncode == 0, done.stderr
        notes = server.cli("cat", "/docs/notes.txt")
        assert (notes.returncode, notes.stdout) == (0, "Buy milk.\n"), notes.stderr
        assert server.cli("put", __file__, "/docs").returncode == 0
    (whole,) = (home / "half").iterdir()
    assert (whole.name, whole.stat().st_ino) == ("large.txt", begun)
    assert whole.read_bytes() == LARGE
    verified = run(home, "manage_storage.py", "verify", "--full")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    audited = run(home, "manage_storage.py", "verify", "--audit")
    assert audited.returncode == 0, audited.stdout + audited.stderr


def test_the_pinned_key_is_the_servers(home: Path, expected: Expected) -> None:
    pin = TrustStore(pins_file(Client())).pin_of(Address.parse(expected.address, 8443))
    assert pin is not None and pin.origin == "accepted-new"
    shown = run(home, "generate_certificate.py", "--show")
    assert pin.fingerprint.grouped in shown.stdout


def test_the_ticket_is_used_as_long_as_it_is_good(
    home: Path, expected: Expected, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = Address.parse(expected.address, 8443)
    monkeypatch.setattr(time, "time", lambda: expected.made_unix_s)
    ticket = TicketStore(runtime_directory()).load(address, "user1")
    pin = TrustStore(pins_file(Client())).pin_of(address)
    assert ticket is not None and pin is not None
    assert (ticket.user, ticket.address, ticket.fingerprint) == ("user1", address, pin.fingerprint)


def test_the_choices_of_window_and_command_line_are_read(home: Path, expected: Expected) -> None:
    assert choices.load(state_directory(Client())) == choices.Choices(
        server=expected.address, user="user1", theme="dark", width=1234, details=False
    )
    known = remembered(Client())
    assert (known.server, dict(known.users)) == (expected.address, {expected.address: "user1"})


def test_the_transfers_that_the_window_kept_are_read(home: Path, expected: Expected) -> None:
    address = Address.parse(expected.address, 8443)
    upload, download = queue_file.load(queue_file.file_for(state_directory(Client()), address, "user1"))
    assert isinstance(upload, queue_file.KeptUpload) and isinstance(download, queue_file.KeptDownload)
    assert (upload.paths, upload.node, upload.path) == ((b"/somewhere/\xff", b"/somewhere/b"), 3, "/docs")
    assert (download.nodes, download.folder) == ((4, 5), b"/elsewhere")


def test_the_password_in_the_keyring_is_found(expected: Expected) -> None:
    memory, before = MemoryKeyring(), keyring.get_keyring()
    memory.kept = {(service, name): password for service, name, password in expected.keyring}
    keyring.set_keyring(memory)
    try:
        assert keyring_store.get("user1", Address.parse(expected.address, 8443)) == "a kept password"
    finally:
        keyring.set_keyring(before)


@pytest.mark.parametrize("folder", ["client", "server", "gui", "wire", "startup"])
def test_the_compiled_rest_of_the_folders_of_before_disturbs_no_import(folder: str, tmp_path: Path) -> None:
    """`git pull` leaves a folder that holds `__pycache__` alone; it is a package of that name, without any content."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in ("sfos", "config.py", "protocol.py"):
        (checkout / name).symlink_to(CHECKOUT / name)
    (checkout / folder / "__pycache__").mkdir(parents=True)
    (checkout / folder / "__pycache__" / "__init__.cpython-311.pyc").write_bytes(b"not even compiled")
    program = "import config, protocol, sfos.client.api, sfos.server.app; print(config.load().home)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=checkout,
        env={"SFOS_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{tmp_path}\n", "")
