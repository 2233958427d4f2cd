"""Names and attributes that are kept in memory: the same as those that a cipher opens, and never believed in another
place."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sfos.protocol import Attributes
from sfos.server.disk.storage_faults import TokenDamaged
from sfos.server.spaces.registry import SpaceRegistry
from sfos.server.vault.keyring import SpaceKeys
from sfos.server.vault.names import NameSealer
from sfos.server.vault.opened_names import Opened
from tests.storage.conftest import SPACE_ID
from tests.storage.desk import Desk

FOLDER, ANOTHER = 7, 8
MODE = b'{"mode":420}'
NAMES = ["a", "Zoë.txt", "…" * 80]


@pytest.fixture
def opened() -> Opened:
    return Opened()


@pytest.fixture
def names(opened: Opened) -> NameSealer:
    return NameSealer(SpaceKeys.generate(bytes(range(16))), opened)


def sealed_attrs(names: NameSealer, node: int, plain: bytes) -> bytes:
    sealed = names.seal_attrs(node, plain)
    assert sealed is not None
    return sealed


@pytest.fixture
def deciphered(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The plain texts that only a cipher gave, one after the other."""
    found: list[bytes] = []
    decipher = NameSealer._open

    def watched(sealer: NameSealer, sealed: bytes, purpose: bytes, place: bytes) -> bytes:
        found.append(decipher(sealer, sealed, purpose, place))
        return found[-1]

    monkeypatch.setattr(NameSealer, "_open", watched)
    return found


def encoded(names: list[str]) -> list[bytes]:
    return [name.encode() for name in names]


def test_names_read_the_same_whether_they_were_kept_or_not(names: NameSealer, opened: Opened) -> None:
    sealed = [names.seal_name(FOLDER, name) for name in NAMES]
    assert len(opened.names) == len(NAMES)
    assert names.open_names(FOLDER, sealed) == encoded(NAMES)
    opened.names.clear()
    assert names.open_names(FOLDER, sealed) == encoded(NAMES)
    assert len(opened.names) == len(NAMES)
    assert names.open_names(FOLDER, sealed) == encoded(NAMES)


def test_a_name_that_is_kept_is_refused_in_another_folder_and_where_it_is_damaged(names: NameSealer) -> None:
    sealed = names.seal_name(FOLDER, "a")
    assert names.open_names(FOLDER, [sealed]) == [b"a"]
    with pytest.raises(TokenDamaged):
        names.open_names(ANOTHER, [sealed])
    with pytest.raises(TokenDamaged):
        names.open_names(FOLDER, [sealed[:-1] + bytes([sealed[-1] ^ 1])])


def test_a_name_that_is_kept_for_one_space_is_refused_in_another(names: NameSealer, opened: Opened) -> None:
    sealed = names.seal_name(FOLDER, "a")
    other = NameSealer(SpaceKeys.generate(bytes(16)), opened)
    with pytest.raises(TokenDamaged):
        other.open_names(FOLDER, [sealed])


def test_no_more_names_are_kept_than_there_is_room_for() -> None:
    opened = Opened(10)
    names = NameSealer(SpaceKeys.generate(bytes(16)), opened)
    texts = [f"file {number}" for number in range(25)]
    sealed = [names.seal_name(FOLDER, text) for text in texts]
    assert len(opened.names) <= 10
    assert names.open_names(FOLDER, sealed) == encoded(texts)
    assert len(opened.names) <= 10


def test_without_a_memory_nothing_is_kept() -> None:
    names = NameSealer(SpaceKeys.generate(bytes(16)))
    assert names.open_names(FOLDER, [names.seal_name(FOLDER, "a")]) == [b"a"]
    assert names.open_attrs_of([FOLDER], [sealed_attrs(names, FOLDER, MODE)]) == [MODE]
    assert (len(names._opened.names), len(names._opened.attrs)) == (0, 0)


def test_attributes_read_the_same_whether_they_were_kept_or_not(names: NameSealer, opened: Opened) -> None:
    nodes = [11, 12, 13]
    sealed = [sealed_attrs(names, node, MODE) for node in nodes]
    assert len(opened.attrs) == len(nodes)
    for _ in range(3):
        assert names.open_attrs_of(nodes, sealed) == [MODE] * 3
        assert len(opened.attrs) == len(nodes)
        opened.attrs.clear()


def test_attributes_that_are_kept_are_refused_for_another_node_and_where_they_are_damaged(names: NameSealer) -> None:
    sealed = sealed_attrs(names, 11, MODE)
    assert names.open_attrs_of([11], [sealed]) == [MODE]
    with pytest.raises(TokenDamaged):
        names.open_attrs_of([12], [sealed])
    with pytest.raises(TokenDamaged):
        names.open_attrs_of([11], [sealed[:-1] + bytes([sealed[-1] ^ 1])])


def test_attributes_that_are_kept_for_one_space_are_refused_in_another(names: NameSealer, opened: Opened) -> None:
    sealed = sealed_attrs(names, 11, MODE)
    other = NameSealer(SpaceKeys.generate(bytes(16)), opened)
    with pytest.raises(TokenDamaged):
        other.open_attrs_of([11], [sealed])


@pytest.mark.parametrize("kept", [True, False])
def test_a_node_without_attributes_has_none_beside_those_that_have_some(
    names: NameSealer, opened: Opened, kept: bool
) -> None:
    link = b'{"link":"' + b"x" * 4_000 + b'"}'
    sealed = [None, sealed_attrs(names, 12, MODE), None, sealed_attrs(names, 14, link)]
    if not kept:
        opened.attrs.clear()
    assert names.open_attrs_of([11, 12, 13, 14], sealed) == [None, MODE, None, link]


def test_long_attributes_are_not_kept(names: NameSealer, opened: Opened) -> None:
    link = b'{"link":"' + b"x" * 4_000 + b'"}'
    sealed = sealed_attrs(names, 11, link)
    assert names.open_attrs_of([11], [sealed]) == [link]
    assert len(opened.attrs) == 0


# ── that it is of use ───────────────────────────────────────────────────────────────────────────────────────────────


def test_what_was_sealed_or_opened_of_late_needs_no_cipher(
    names: NameSealer, opened: Opened, deciphered: list[bytes]
) -> None:
    sealed = [names.seal_name(FOLDER, name) for name in NAMES]
    attrs = sealed_attrs(names, 11, MODE)

    def read() -> list[bytes]:
        """Read everything; the tokens that needed a cipher."""
        deciphered.clear()
        assert names.open_names(FOLDER, sealed) == encoded(NAMES)
        assert names.open_attrs_of([11], [attrs]) == [MODE]
        return [*deciphered]

    assert read() == []
    opened.names.clear()
    opened.attrs.clear()
    assert read() == [*encoded(NAMES), MODE]
    assert read() == []


def test_who_lists_a_folder_again_gets_it_without_a_cipher(
    desk: Desk, new_registry: Callable[..., SpaceRegistry], deciphered: list[bytes]
) -> None:
    desk.commit([desk.item(f"/{name}", attrs=Attributes(mode=0o644)) for name in NAMES])
    assert desk.entries("/").keys() == set(NAMES)
    assert deciphered == []
    with new_registry().lease(SPACE_ID) as opened_anew:
        again = Desk(opened_anew)
        assert again.entries("/").keys() == set(NAMES)
        assert set(deciphered) == {*encoded(NAMES), MODE}
        deciphered.clear()
        assert again.entries("/").keys() == set(NAMES)
        assert deciphered == []
