"""Two clients of one server beside a model that is a dictionary: each makes random changes, and each follows both."""

from __future__ import annotations

import os
import random
from pathlib import Path

from sfos.client.address import Address
from sfos.client.api import Api
from sfos.client.session.session import Session
from sfos.protocol import (
    ROOT_NODE,
    ChunkRecord,
    CommitItem,
    Entry,
    SfosError,
    Target,
    chunk_id,
    from_info,
    pack_commit,
    unpack_results,
)
from tests.storage.test_model import Model
from tests.support.server_process import prepare_home, running_server
from tests.torture.processes import verify
from tests.torture.processes_writers import sign_in
from tests.torture.scenario import Context, Figures, Scenario

_NAMES = ("a", "B", "c", "ä", "long name.txt")
_COMPARE_EVERY = 25
_BEGIN_ANEW = 250  # changes, after which everything is deleted: deep trees, and then small ones again


class Client:
    """One client: it makes changes, and keeps a tree of its own from what the server tells of everybody's."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.api: Api = session.api
        self._key = session.info.home.chunk_key
        self._cursor = session.info.home.cursor
        self._nodes: dict[int, Entry] = {}

    def put(self, path: str, content: bytes) -> None:
        record = ChunkRecord(chunk_id(self._key, content), len(content))
        records, inline = ([record], [(record, content)]) if content else ([], [])
        item = CommitItem(
            target=Target(path=path), size=len(content), content=record.chunk_id, chunks=len(records), mtime_ns=1
        )
        (result,), _ = unpack_results(*self.api.caller.call(*pack_commit(os.urandom(16), [item], records, inline)))
        if result.error is not None:
            raise from_info(result.error)

    def delete(self, path: str) -> None:
        (result,) = self.api.delete([path])
        if result.error is not None:
            raise from_info(result.error)

    def followed(self) -> dict[str, bytes | None]:
        """The tree by `changes` alone: paths, and contents by their names."""
        changes, self._cursor = self.api.changes(self._cursor)
        for change in changes:
            if change.deleted:
                self._forget(change.entry.node)
            else:
                self._nodes[change.entry.node] = change.entry
        return {self._path(entry): entry.content for entry in self._nodes.values()}

    def _forget(self, node: int) -> None:
        self._nodes.pop(node, None)
        for child in [entry.node for entry in self._nodes.values() if entry.parent == node]:
            self._forget(child)

    def _path(self, entry: Entry) -> str:
        above = "" if entry.parent == ROOT_NODE else self._path(self._nodes[entry.parent])
        return f"{above}/{entry.name}"

    def named(self, content: bytes | None) -> bytes | None:
        """The name of a content, as entries bear it."""
        return None if content is None else chunk_id(self._key, content)


class TwoClients:
    """The clients, the model, and chance."""

    def __init__(self, context: Context, clients: list[Client]) -> None:
        self.context = context
        self.chance: random.Random = context.random
        self.clients = clients
        self.model = Model()

    def path(self) -> str:
        return "/" + "/".join(self.chance.choices(_NAMES, k=self.chance.choice((1, 2, 2, 3))))

    def step(self) -> None:
        """One change by one of them: carried out or refused, as the model says."""
        client, what = self.chance.choice(self.clients), self.chance.randrange(10)
        path, goal = self.path(), self.path()
        model = self.model
        if what < 4:
            content = self.chance.randbytes(self.chance.choice((0, 1, 500, 70_000)))
            allowed = model.parents_allow(path) and model.kind(path) != "folder"
            if self._attempt(allowed, f"put {path}", lambda: client.put(path, content)):
                model.make_parents(path)
                model.set(path, content)
        elif what < 6:
            allowed = model.parents_allow(path) and model.kind(path) != "file"
            done = self._attempt(allowed, f"mkdir {path}", lambda: client.api.make_folder(path, parents=True))
            if done:
                model.make_parents(path)
                if model.kind(path) is None:
                    model.set(path, None)
        elif what < 7:
            if self._attempt(model.kind(path) is not None, f"delete {path}", lambda: client.delete(path)):
                model.remove(path)
        else:
            self._go(client, path, goal, replace=self.chance.random() < 0.5, keep=what == 9)

    def _go(self, client: Client, source: str, goal: str, *, replace: bool, keep: bool) -> None:
        change = client.api.copy if keep else client.api.move
        said = f"{'copy' if keep else 'move'} {source} {goal} replace={replace}"
        allowed = self.model.may_go(source, goal, replace, keep)
        if not self._attempt(allowed, said, lambda: change(source, goal, replace=replace)):
            return
        model = self.model
        if source.lower() == goal.lower():
            model.set(goal, model.nodes[source.lower()][1])
            return
        if model.kind(goal) == "folder" or not keep:
            model.remove(goal)
        spelled = model.nodes.get(goal.lower())
        model.graft(source, goal, keep=keep)
        if spelled is not None:  # a new version of the file that is there keeps that file's name
            model.nodes[goal.lower()] = (spelled[0], model.nodes[goal.lower()][1])

    def _attempt(self, allowed: bool, said: str, change: object) -> bool:
        assert callable(change)
        self.context.count("changes")
        try:
            change()
        except SfosError as error:
            if allowed:
                self.context.broken(f"{said} is refused: {error!r}")
            return False
        if not allowed:
            self.context.broken(f"{said} should be refused")
        return True

    def compare(self) -> None:
        """Compare with the model what each client has followed, and what one of them reads."""
        tree = self.model.tree()
        for number, client in enumerate(self.clients):
            expected = {path: client.named(content) for path, content in tree.items()}
            followed = client.followed()
            if followed != expected:
                differing = sorted(set(followed.items()) ^ set(expected.items()))[:4]
                self.context.broken(f"client {number} has followed to another tree: {differing}")
        reader = self.chance.choice(self.clients).api
        for path in self.chance.sample(sorted(tree), min(3, len(tree))):
            content = tree[path]
            if content is not None and reader.read_range(reader.stat(path)) != content:
                self.context.broken(f"{path} reads back as something else")
        self.context.count("comparisons")


def two_clients(context: Context) -> Figures:
    """Changes by turns, compared all the while; then a verification."""
    home: Path = prepare_home(context.workplace / "home")
    with running_server(home) as server:
        address = Address.parse(server.address)
        sessions = [sign_in(address, context.workplace / "pins.json") for _ in range(2)]
        both = TwoClients(context, [Client(session) for session in sessions])
        number = 0
        while context.going():
            both.step()
            number += 1
            if number % _COMPARE_EVERY == 0:
                both.compare()
            if number % _BEGIN_ANEW == 0:
                for path in {"/" + path.split("/")[1] for path in both.model.tree()}:
                    both.clients[0].delete(path)
                both.model = Model()
        both.compare()
        for session in sessions:
            session.logout()
    for finding in verify(home):
        context.broken(finding)
    return context.figures()


SCENARIO = Scenario(
    name="two-clients",
    promise="Two clients that change one account by turns read and follow what a dictionary says.",
    figure="20,000 changes",
    run=two_clients,
    goal={"changes": 20_000},
)
