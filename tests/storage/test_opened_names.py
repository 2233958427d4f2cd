"""Names that are kept in memory: the same as those that a cipher opens, and never believed in another place."""

from __future__ import annotations

import pytest

from server.storage_faults import TokenDamaged
from server.vault.keyring import SpaceKeys
from server.vault.names import NameSealer
from server.vault.opened_names import OpenedNames

FOLDER, ANOTHER = 7, 8
NAMES = ["a", "Zoë.txt", "…" * 80]


@pytest.fixture
def opened() -> OpenedNames:
    return OpenedNames()


@pytest.fixture
def names(opened: OpenedNames) -> NameSealer:
    return NameSealer(SpaceKeys.generate(bytes(range(16))), opened)


def encoded(names: list[str]) -> list[bytes]:
    return [name.encode() for name in names]


def test_names_read_the_same_whether_they_were_kept_or_not(names: NameSealer, opened: OpenedNames) -> None:
    sealed = [names.seal_name(FOLDER, name) for name in NAMES]
    assert len(opened) == len(NAMES)
    assert names.open_names(FOLDER, sealed) == encoded(NAMES)
    opened._names.clear()
    assert names.open_names(FOLDER, sealed) == encoded(NAMES)
    assert len(opened) == len(NAMES)
    assert names.open_names(FOLDER, sealed) == encoded(NAMES)


def test_a_name_that_is_kept_is_refused_in_another_folder_and_where_it_is_damaged(names: NameSealer) -> None:
    sealed = names.seal_name(FOLDER, "a")
    assert names.open_names(FOLDER, [sealed]) == [b"a"]
    with pytest.raises(TokenDamaged):
        names.open_names(ANOTHER, [sealed])
    with pytest.raises(TokenDamaged):
        names.open_names(FOLDER, [sealed[:-1] + bytes([sealed[-1] ^ 1])])


def test_a_name_that_is_kept_for_one_space_is_refused_in_another(names: NameSealer, opened: OpenedNames) -> None:
    sealed = names.seal_name(FOLDER, "a")
    other = NameSealer(SpaceKeys.generate(bytes(16)), opened)
    with pytest.raises(TokenDamaged):
        other.open_names(FOLDER, [sealed])


def test_no_more_names_are_kept_than_there_is_room_for() -> None:
    opened = OpenedNames(10)
    names = NameSealer(SpaceKeys.generate(bytes(16)), opened)
    texts = [f"file {number}" for number in range(25)]
    sealed = [names.seal_name(FOLDER, text) for text in texts]
    assert len(opened) <= 10
    assert names.open_names(FOLDER, sealed) == encoded(texts)
    assert len(opened) <= 10


def test_without_a_memory_nothing_is_kept() -> None:
    names = NameSealer(SpaceKeys.generate(bytes(16)))
    assert names.open_names(FOLDER, [names.seal_name(FOLDER, "a")]) == [b"a"]
    assert len(names._opened) == 0
