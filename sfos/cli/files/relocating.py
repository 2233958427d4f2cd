"""Moving and copying on the server, by the rules of cp; no content is sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from sfos.cli.files.conflicts import Conflict
from sfos.cli.front.failures import Failures
from sfos.cli.front.paths import RemotePath, Source, Standing, TakenNames, goes_inside
from sfos.cli.front.shell import Shell
from sfos.cli.front.work_line import WorkLine
from sfos.protocol import (
    AlreadyExists,
    Entry,
    IsAFolder,
    MovedBelowItself,
    NameNotAllowed,
    NodeReply,
    NotAFolder,
    Ref,
    counted,
    fold_name,
    split_path,
)

if TYPE_CHECKING:
    from sfos.client.api import Api


class Change(Protocol):
    """The change of one thing: Api's `move` or `copy`."""

    def __call__(self, source: Ref, target: str, *, replace: bool) -> NodeReply:
        """Raises: AlreadyExists, unless `replace`."""


def check_destination(paths: Sequence[str]) -> None:
    """Raises: ValueError, where `paths` are not at least one source and a destination."""
    if len(paths) < 2:
        raise ValueError("say what and where to: SOURCE… DESTINATION")


class Relocation:
    """One move of one or several things."""

    def __init__(self, api: Api, shell: Shell, change: Change, conflict: Conflict) -> None:
        self._api = api
        self._shell = shell
        self._change = change
        self._conflict = conflict
        self._failures = Failures(shell)
        self._left = 0

    def run(self, paths: Sequence[str]) -> int:
        """Bring all but the last of `paths` there. The exit code; each failure is reported when it happens."""
        *texts, destination_text = paths
        sources: list[tuple[str, Entry]] = []
        for text in texts:
            with self._failures.of(text):
                sources.append((text, self._source(text)))
        if sources:
            self._place(sources, destination_text, alone=len(texts) == 1)
        if self._left:
            was = "was left as it is" if self._left == 1 else "were left as they are"
            self._shell.note(f"{counted(self._left, 'file')} {was}.")
        return self._failures.exit_code

    def _place(self, sources: Sequence[tuple[str, Entry]], destination_text: str, *, alone: bool) -> None:
        destination = RemotePath.parse(destination_text)
        there = self._api.exists(destination.path)
        only = sources[0][1]
        if alone and there is not None and there.node == only.node:
            # The folder itself, in another spelling: a rename, where the rules of cp would put it into itself.
            inside = False
            if only.path == destination.path:
                raise AlreadyExists("Source and destination are the same.", subject=destination_text)
        else:
            rules = [Source(entry.name, entry.kind == "folder") for _, entry in sources]
            inside = goes_inside(rules, destination_text, Standing.of(there), as_folder=destination.as_folder)
        taken = TakenNames()
        for text, entry in sources:
            with self._failures.of(text):
                target = destination.child(entry.name) if inside else destination.path
                taken.take(target)
                if entry.kind == "folder" and _is_below(target, entry.path or "/"):
                    raise MovedBelowItself
                self._relocate(entry, target)

    def _source(self, text: str) -> Entry:
        path = RemotePath.parse(text)
        if path.contents:
            raise NameNotAllowed("Name what is to be moved or copied: the root and “/.” stand for no single thing.")
        entry = self._api.stat(path.path)
        if path.as_folder and entry.kind != "folder":
            raise NotAFolder
        return entry

    def _relocate(self, entry: Entry, target: str) -> None:
        """Move or copy. A file is replaced by a file; a folder is never replaced."""
        try:
            self._change(Ref(node=entry.node), target, replace=False)
        except AlreadyExists:
            there = self._api.exists(target)
            if there is not None and there.node == entry.node:
                raise AlreadyExists("Source and destination are the same.") from None
            if there is not None and self._merges(entry, there, target):
                return
            if self._conflict is Conflict.SKIP:
                self._shell.detail(f"{target}: left as it is")
                self._left += 1
                return
            if there is not None and there.kind == "folder":
                raise AlreadyExists(f"{target} is a folder that is there already; nothing was replaced.") from None
            if there is not None and entry.kind == "folder":
                raise NotAFolder(f"{target} is a file; a folder cannot take its place.") from None
            self._change(Ref(node=entry.node), target, replace=True)
        self._shell.detail(f"{entry.path or entry.name} -> {target}")

    def _merges(self, entry: Entry, there: Entry, target: str) -> bool:  # noqa: ARG002 - for Copying
        """Whether what is in `entry` was brought into what is there; a move leaves both as they are."""
        return False


class Copying(Relocation):
    """One copy of one or several things: a folder is merged into one that is there."""

    def __init__(self, api: Api, shell: Shell, change: Change, conflict: Conflict, *, recursive: bool) -> None:
        super().__init__(api, shell, change, conflict)
        self._recursive = recursive
        self._line = WorkLine(shell, "Copying one by one into what is there")

    def run(self, paths: Sequence[str]) -> int:
        """See Relocation."""
        try:
            return super().run(paths)
        finally:
            self._line.clear()

    def _source(self, text: str) -> Entry:
        entry = super()._source(text)
        if entry.kind == "folder" and not self._recursive:
            raise IsAFolder("This is a folder; cp -r copies it with all that is in it.")
        return entry

    def _merges(self, entry: Entry, there: Entry, target: str) -> bool:
        """Copy what is in the folder `entry` into the folder at `target`; what else is in that stays."""
        if not there.kind == entry.kind == "folder":
            return False
        standing = {fold_name(child.name): child for child in self._api.list_folder(there)}
        for child in sorted(self._api.list_folder(entry), key=lambda child: child.name):
            other = standing.get(fold_name(child.name))
            if other is not None and _alike(child, other):
                continue  # the same command again, say: nothing would change but the history
            path = f"{target}/{child.name}"
            with self._failures.of(path):
                self._relocate(child, path)
            self._line.count(1)
        return True


def _alike(one: Entry, other: Entry) -> bool:
    """Whether these are files, or links, that differ in nothing that a copy takes along."""
    return one.kind != "folder" and all(
        getattr(one, what) == getattr(other, what) for what in ("name", "kind", "size", "content", "mtime_ns", "attrs")
    )


def _is_below(path: str, folder: str) -> bool:
    """Whether `path` leads into `folder`, in whatever case."""
    inner, outer = ([fold_name(name) for name in split_path(text)] for text in (path, folder))
    return len(inner) > len(outer) and inner[: len(outer)] == outer
