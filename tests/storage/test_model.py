"""Random sequences of everything that clients do, beside a model that is a dictionary. hypothesis finds and shrinks.

The space must always say what the model says, a follower of `changes` must see the same, and at the end verification
must be clean, also after garbage was collected. Nothing here is about disks, so the spaces lie in memory where there
is a file system for that, and begin as copies of one that was made once: 200 sequences take a third of the time.
"""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from sfos.protocol import SfosError
from sfos.server.maintenance.gc import collect_garbage
from sfos.server.maintenance.verify import verify_space
from sfos.server.spaces.operations.context import StoreLimits
from sfos.server.spaces.registry import SpaceRegistry
from sfos.server.vault.master import MasterKey
from tests.storage.conftest import SPACE_ID
from tests.storage.desk import Desk
from tests.storage.test_history import Follower, look

NAMES = st.sampled_from(["a", "B", "c"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(lambda names: "/" + "/".join(names))
CONTENTS = st.sampled_from([b"", b"x", b"small" * 20, b"b" * 70_000, b"big" * 60_000])
MASTER = MasterKey([Fernet.generate_key().decode()])


IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
SEQUENCES = 200


@functools.cache
def empty_space() -> dict[Path, bytes]:
    """The files of a space that was just made."""
    with tempfile.TemporaryDirectory(prefix="sfos-model-", dir=IN_MEMORY) as made:
        home = Path(made)
        registry = open_registry(home)
        with registry.lease(SPACE_ID):
            pass
        registry.close()
        return {path.relative_to(home): path.read_bytes() for path in home.rglob("*") if path.is_file()}


def open_registry(home: Path) -> SpaceRegistry:
    return SpaceRegistry(
        home / "storage", home / "temp", MASTER, limits=StoreLimits(free_floor_bytes=0), sync_threads=1
    )


class Model:
    """A tree as a dictionary: folded path → (spelling of the last name, content or None for a folder)."""

    def __init__(self) -> None:
        self.nodes: dict[str, tuple[str, bytes | None]] = {}

    def kind(self, path: str) -> str | None:
        node = self.nodes.get(path.lower())
        return None if node is None else ("folder" if node[1] is None else "file")

    def parents_allow(self, path: str) -> bool:
        return all(self.kind(parent) != "file" for parent in self._parents(path))

    def make_parents(self, path: str) -> None:
        for parent in self._parents(path):
            self.nodes.setdefault(parent.lower(), (parent.rpartition("/")[2], None))

    def set(self, path: str, content: bytes | None) -> None:
        self.nodes[path.lower()] = (path.rpartition("/")[2], content)

    def below(self, path: str) -> list[str]:
        return [one for one in self.nodes if one == path.lower() or one.startswith(path.lower() + "/")]

    def remove(self, path: str) -> None:
        for one in self.below(path):
            del self.nodes[one]

    def may_go(self, source: str, target: str, replace: bool, keep: bool) -> bool:
        """Whether moving, or copying (`keep`), would be carried out."""
        kind, there = self.kind(source), self.kind(target)
        parent = target.rpartition("/")[0]
        if kind is None or (parent and self.kind(parent) != "folder"):
            return False
        if source.lower() == target.lower():
            return not keep
        if kind == "folder" and target.lower().startswith(source.lower() + "/"):
            return False
        if there is None:
            return True
        into_own_parent = there == "folder" and source.lower().startswith(target.lower() + "/")
        return replace and there == kind and not into_own_parent

    def graft(self, source: str, target: str, *, keep: bool) -> None:
        moved = {one: self.nodes[one] for one in self.below(source)}
        if not keep:
            self.remove(source)
        for one, (name, content) in moved.items():
            root = one == source.lower()
            own = target.rpartition("/")[2] if root else name
            self.nodes[target.lower() + one[len(source) :]] = (own, content)

    def tree(self) -> dict[str, bytes | None]:
        """Paths as they are spelled."""
        found = {}
        for path, (_, content) in self.nodes.items():
            parts = path.split("/")[1:]
            spelled = [self.nodes["/" + "/".join(parts[: depth + 1])][0] for depth in range(len(parts))]
            found["/" + "/".join(spelled)] = content
        return found

    @staticmethod
    def _parents(path: str) -> list[str]:
        names = path.split("/")[1:-1]
        return ["/" + "/".join(names[: depth + 1]) for depth in range(len(names))]


class Simulation(RuleBasedStateMachine):
    """Clients' actions, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp(prefix="sfos-model-", dir=IN_MEMORY))
        for path, data in empty_space().items():
            (self.home / path).parent.mkdir(parents=True, exist_ok=True)
            (self.home / path).write_bytes(data)
        self.model = Model()
        self.open()
        self.follower = Follower(self.desk, limit=3)

    def open(self) -> None:
        self.registry = open_registry(self.home)
        self.lease = self.registry.lease(SPACE_ID)
        self.desk = Desk(self.lease.__enter__())

    def close(self) -> None:
        self.lease.__exit__(None, None, None)
        self.registry.close()

    def attempt(self, allowed: bool, change: object, *args: object, **options: object) -> bool:
        """Do it, and see that it is refused exactly when the model says so."""
        assert callable(change)
        try:
            change(*args, **options)
        except SfosError as error:
            assert not allowed, f"refused: {error!r}"
            return False
        assert allowed, "it should have been refused"
        return True

    @rule(path=PATHS, content=CONTENTS)
    def put(self, path: str, content: bytes) -> None:
        allowed = self.model.parents_allow(path) and self.model.kind(path) != "folder"
        if self.attempt(allowed, self.desk.put, path, content):
            self.model.make_parents(path)
            self.model.set(path, content)

    @rule(path=PATHS)
    def make_folder(self, path: str) -> None:
        allowed = self.model.parents_allow(path) and self.model.kind(path) != "file"
        if self.attempt(allowed, self.desk.make_folder, path, parents=True):
            self.model.make_parents(path)
            if self.model.kind(path) is None:
                self.model.set(path, None)

    @rule(path=PATHS)
    def delete(self, path: str) -> None:
        if self.attempt(self.model.kind(path) is not None, self.desk.delete, path):
            self.model.remove(path)

    @rule(source=PATHS, goal=PATHS, replace=st.booleans(), keep=st.booleans())
    def move_or_copy(self, source: str, goal: str, replace: bool, keep: bool) -> None:
        allowed = self.model.may_go(source, goal, replace, keep)
        if self.attempt(allowed, self.desk.copy if keep else self.desk.move, source, goal, replace=replace):
            if source.lower() != goal.lower():
                if self.model.kind(goal) == "folder" or not keep:
                    self.model.remove(goal)
                spelled = self.model.nodes.get(goal.lower())
                self.model.graft(source, goal, keep=keep)
                if spelled is not None:  # a new version of the file that is there keeps that file's name
                    self.model.nodes[goal.lower()] = (spelled[0], self.model.nodes[goal.lower()][1])
            else:
                self.model.set(goal, self.model.nodes[source.lower()][1])

    @rule(content=CONTENTS)
    def upload_and_leave(self, content: bytes) -> None:
        self.desk.upload(content)

    @rule()
    def follow(self) -> None:
        self.follower.follow()
        assert self.follower.tree() == look(self.desk)

    @rule()
    def restart(self) -> None:
        cursor, nodes = self.follower.cursor, self.follower.nodes
        self.close()
        self.open()
        self.follower = Follower(self.desk, limit=3)
        self.follower.cursor, self.follower.nodes = cursor, nodes

    @rule()
    def collect(self) -> None:
        with self.registry.inspect(SPACE_ID) as context:
            collect_garbage(context, -1)

    @invariant()
    def the_space_says_what_the_model_says(self) -> None:
        tree = self.model.tree()
        assert look(self.desk).keys() == tree.keys()
        usage = self.desk.space.usage(self.desk.caller)
        contents = [content for content in tree.values() if content is not None]
        assert (usage.files_current, usage.bytes_current) == (len(contents), sum(map(len, contents)))

    def teardown(self) -> None:
        try:
            assert self.desk.tree() == self.model.tree()
            self.follow()
            with self.registry.inspect(SPACE_ID) as context:
                collect_garbage(context, -1)
                assert verify_space(context, full=True).findings == []
            assert self.desk.tree() == self.model.tree()
        finally:
            self.close()
            shutil.rmtree(self.home)


@pytest.mark.timeout(400)
def test_any_sequence_of_changes_ends_as_the_model_says() -> None:
    quick = settings(
        max_examples=SEQUENCES,
        stateful_step_count=15,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        print_blob=False,
    )
    run_state_machine_as_test(Simulation, settings=quick)
