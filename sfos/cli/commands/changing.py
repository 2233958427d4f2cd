"""`mkdir`, `mv`, `cp` and `rm`: changes on the server that move no content."""

from __future__ import annotations

import msgspec

from sfos.cli.front.failures import Failures
from sfos.cli.front.options import Conflict, CopyOptions, MakeFolderOptions, MoveOptions, RemoveOptions
from sfos.cli.front.paths import RemotePath, Source, Standing, TakenNames, goes_inside
from sfos.cli.front.shell import Shell
from sfos.client.api import Api
from sfos.client.session.session import Session
from sfos.protocol import (
    AlreadyExists,
    DeleteItem,
    Entry,
    IsAFolder,
    MovedBelowItself,
    NameNotAllowed,
    NodeReply,
    NotAFolder,
    NotFound,
    Ref,
    counted,
    fold_name,
    from_info,
    split_path,
)


def run(session: Session, shell: Shell, options: MakeFolderOptions | MoveOptions | CopyOptions | RemoveOptions) -> int:
    """The exit code."""
    failures = Failures(shell)
    if isinstance(options, MakeFolderOptions):
        for text in options.paths:
            with failures.of(text):
                session.api.make_folder(RemotePath.parse(text).path, parents=options.parents)
    elif isinstance(options, RemoveOptions):
        _remove(session.api, shell, options, failures)
    else:
        _relocate(session.api, shell, options, failures)
    return failures.exit_code


# ── mv and cp ───────────────────────────────────────────────────────────────────────────────────────────────────


def _relocate(api: Api, shell: Shell, options: MoveOptions | CopyOptions, failures: Failures) -> None:
    *texts, destination_text = options.paths
    sources: list[tuple[str, Entry]] = []
    for text in texts:
        with failures.of(text):
            sources.append((text, _source(api, text, options)))
    if not sources:
        return
    destination = RemotePath.parse(destination_text)
    there = api.exists(destination.path)
    only = sources[0][1]
    if len(texts) == 1 and there is not None and there.node == only.node:
        # The folder itself, in another spelling: a rename, where the rules of cp would put it into itself.
        inside = False
        if only.path == destination.path:
            raise AlreadyExists("Source and destination are the same.", subject=destination_text)
    else:
        rules = [Source(entry.name, entry.kind == "folder") for _, entry in sources]
        inside = goes_inside(rules, destination_text, Standing.of(there), as_folder=destination.as_folder)
    taken = TakenNames()
    for text, entry in sources:
        with failures.of(text):
            target = destination.child(entry.name) if inside else destination.path
            taken.take(target)
            if entry.kind == "folder" and _is_below(target, entry.path or "/"):
                raise MovedBelowItself
            _relocate_one(api, shell, options, entry, target, failures)


def _source(api: Api, text: str, options: MoveOptions | CopyOptions) -> Entry:
    path = RemotePath.parse(text)
    if path.contents:
        raise NameNotAllowed("Name what is to be moved or copied: the root and “/.” stand for no single thing.")
    entry = api.stat(path.path)
    if path.as_folder and entry.kind != "folder":
        raise NotAFolder
    if isinstance(options, CopyOptions) and entry.kind == "folder" and not options.recursive:
        raise IsAFolder("This is a folder; cp -r copies it with all that is in it.")
    return entry


def _relocate_one(
    api: Api, shell: Shell, options: MoveOptions | CopyOptions, entry: Entry, target: str, failures: Failures
) -> None:
    """Move or copy. A file is replaced by a file; a folder is never replaced: one that is copied is merged into it."""
    try:
        _call(api, options, entry, target, replace=False)
    except AlreadyExists:
        there = api.exists(target)
        if there is not None and there.node == entry.node:
            raise AlreadyExists("Source and destination are the same.") from None
        if there is not None and there.kind == entry.kind == "folder" and isinstance(options, CopyOptions):
            _merge(api, shell, options, entry, target, failures)
            return
        if options.conflict is Conflict.SKIP:
            shell.detail(f"{target}: left as it is")
            return
        if there is not None and there.kind == "folder":
            raise AlreadyExists(f"{target} is a folder that is there already; nothing was replaced.") from None
        if there is not None and entry.kind == "folder":
            raise NotAFolder(f"{target} is a file; a folder cannot take its place.") from None
        _call(api, options, entry, target, replace=True)
    shell.detail(f"{entry.path or entry.name} -> {target}")


def _merge(api: Api, shell: Shell, options: CopyOptions, source: Entry, target: str, failures: Failures) -> None:
    """Copy what is in the folder `source` into the folder at `target`; what else is in that stays."""
    for child in sorted(api.list_folder(source), key=lambda child: child.name):
        path = f"{target}/{child.name}"
        with failures.of(path):
            _relocate_one(api, shell, options, child, path, failures)


def _is_below(path: str, folder: str) -> bool:
    """Whether `path` leads into `folder`, in whatever case."""
    inner, outer = ([fold_name(name) for name in split_path(text)] for text in (path, folder))
    return len(inner) > len(outer) and inner[: len(outer)] == outer


def _call(api: Api, options: MoveOptions | CopyOptions, entry: Entry, target: str, *, replace: bool) -> NodeReply:
    change = api.copy if isinstance(options, CopyOptions) else api.move
    return change(Ref(node=entry.node), target, replace=replace)


# ── rm ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class _Tally(msgspec.Struct):
    """What was deleted: things that were named, and what was in those that were folders."""

    files: int = 0
    folders: int = 0
    files_below: int = 0
    folders_below: int = 0

    def add(self, other: _Tally) -> None:
        self.files += other.files
        self.folders += other.folders
        self.files_below += other.files_below
        self.folders_below += other.folders_below

    def sentence(self) -> str:
        named = [counted(self.files, "file")] if self.files or not self.folders else []
        named += [counted(self.folders, "folder")] if self.folders else []
        text = "Deleted " + " and ".join(named)
        if self.folders:
            below = counted(self.files_below, "file")
            if self.folders_below:
                below += f" and {counted(self.folders_below, 'folder')}"
            text += f" with {below} in {'it' if self.folders == 1 else 'them'}"
        return text + "; the history keeps what was deleted."


def _remove(api: Api, shell: Shell, options: RemoveOptions, failures: Failures) -> None:
    doomed: list[tuple[str, Entry, _Tally]] = []
    for text in options.paths:
        with failures.of(text):
            try:
                doomed.append((text, *_to_remove(api, text, options)))
            except NotFound:
                if not options.force:
                    raise
    done = _Tally()
    results = api.delete([DeleteItem(ref=Ref(node=entry.node)) for _, entry, _ in doomed])
    for (text, _, tally), result in zip(doomed, results, strict=True):
        if result.error is None:
            done.add(tally)
            shell.detail(f"{text}: deleted")
            continue
        with failures.of(text):
            error = from_info(result.error)
            if not (options.force and isinstance(error, NotFound)):
                raise error
    if done.folders or done.files > 1:
        shell.note(done.sentence())


def _to_remove(api: Api, text: str, options: RemoveOptions) -> tuple[Entry, _Tally]:
    path = RemotePath.parse(text)
    if path.contents:
        raise NameNotAllowed("Name what is to be deleted: the root and “/.” stand for no single thing.")
    entry = api.stat(path.path)
    if entry.kind != "folder":
        if path.as_folder:
            raise NotAFolder
        return entry, _Tally(files=1)
    if not options.recursive:
        raise IsAFolder("This is a folder; rm -r deletes it with all that is in it.")
    tally = _Tally(folders=1)
    for listing in api.walk(path.path):
        folders = sum(below.kind == "folder" for below in listing.entries)
        tally.folders_below += folders
        tally.files_below += len(listing.entries) - folders
    return entry, tally
