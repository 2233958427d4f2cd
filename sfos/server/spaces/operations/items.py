"""Files put in place: many items, one transaction, a result for each.

What needs no transaction comes first: the lists are checked against the contents they claim (without reading a byte of
data: a content id is a hash over its list), small chunks that came along are made durable, lists are sealed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from sfos.protocol import (
    MUST_NOT_EXIST,
    AlreadyExists,
    CommitItem,
    ContentMismatch,
    IsAFolder,
    ItemResult,
    MalformedMessage,
    MissingChunks,
    NotAFolder,
    PlainRecord,
    Revision,
    RevisionConflict,
    SfosError,
    TreeError,
    content_id,
    pack_records,
)
from sfos.server.catalog.chunk_rows import (
    ListRow,
    chunk_rows,
    insert_lists,
    known_lists,
    make_live,
    usable_chunks,
    weight_of_list,
)
from sfos.server.catalog.states import State, StateKind
from sfos.server.spaces.operations.change import Change, apply_change, stored_answer
from sfos.server.spaces.operations.contents import heal_lists, seal_list
from sfos.server.spaces.operations.context import Caller, IdempotencyKey, SpaceContext
from sfos.server.spaces.operations.destinations import Destination, DestinationFinder
from sfos.server.spaces.operations.entries import KIND_NUMBERS, encode_attrs, revision_of
from sfos.server.spaces.operations.uploads import Upload, check_pieces, stored_pieces
from sfos.server.spaces.stored_answers import ITEMS_ANSWERS, ItemsDone

_LEAVES = {kind: int(number) for kind, number in KIND_NUMBERS.items() if number != StateKind.FOLDER}
_MAX_MISSING_IDS = 32_768  # 1 MiB of a reply's body; who lacks more asks again


class _Plan(msgspec.Struct, frozen=True, gc=False):  # up to 5,000 a commit: the collector need not visit them
    """An item that is right in itself. `packed`: its records, if it has several."""

    item: CommitItem
    content: bytes | None
    records: Sequence[PlainRecord]
    packed: bytes
    attrs: bytes | None


def put_items(
    context: SpaceContext,
    caller: Caller,
    key: IdempotencyKey,
    items: Sequence[CommitItem],
    records: Sequence[PlainRecord],
    inline: Sequence[PlainRecord],
    data: memoryview,
    *,
    atomic: bool,
) -> ItemsDone:
    """See Space.put_items."""
    answered = stored_answer(context, key, ITEMS_ANSWERS)
    if answered is not None:
        return answered
    plans = _plan_all(context, items, records)
    pieces = check_pieces(context, inline, data)
    lists = _seal_lists(context, plans)
    with stored_pieces(context, caller, pieces) as upload:

        def work(change: Change) -> ItemsDone:
            return _Landing(context, caller, change, upload, lists).land(plans, atomic=atomic)

        return apply_change(context, caller, key, ITEMS_ANSWERS, work)


def _plan_all(
    context: SpaceContext, items: Sequence[CommitItem], records: Sequence[PlainRecord]
) -> list[_Plan | SfosError]:
    plans: list[_Plan | SfosError] = []
    at = 0
    for item in items:
        own = records[at : at + item.chunks]
        at += item.chunks
        try:
            plans.append(_plan(context, item, own))
        except SfosError as error:
            plans.append(error)
    return plans


def _plan(context: SpaceContext, item: CommitItem, records: Sequence[PlainRecord]) -> _Plan:
    """Raises: ContentMismatch, MalformedMessage."""
    attrs = encode_attrs(item.attrs)
    if item.kind != "file":
        if records or item.content is not None or item.size:
            raise MalformedMessage("Only files have content.")
        if item.kind == "symlink" and (item.attrs is None or not item.attrs.link):
            raise MalformedMessage("A symlink needs to point somewhere.")
        return _Plan(item, None, records, b"", attrs)
    if len(records) == 1:  # whose content has the name of its only chunk, and which needs no list
        ((content, size),) = records
        packed = b""
    else:
        packed = pack_records(records)
        content = content_id(context.keys.chunk_id, packed)
        size = sum([length for _, length in records])
    if item.content not in (None, content) or item.size != size:
        raise ContentMismatch
    return _Plan(item, content, records, packed, attrs)


def _seal_lists(context: SpaceContext, plans: list[_Plan | SfosError]) -> dict[bytes, ListRow]:
    """The rows of those contents of several chunks that have no list yet."""
    packed = {plan.content: plan.packed for plan in plans if isinstance(plan, _Plan) and plan.content and plan.packed}
    if not packed:
        return {}
    with context.catalog.read() as tx:
        known = known_lists(tx, packed)
    if known:
        heal_lists(context, packed, known)
    return {content: seal_list(context, content, packed[content]) for content in packed.keys() - known}


def check_revision(context: SpaceContext, wanted: Revision | None, existing: State | None, subject: str) -> None:
    """Check that the node there is the one that the client has seen. Raises: AlreadyExists, RevisionConflict."""
    if wanted is None:
        return
    if wanted == MUST_NOT_EXIST:
        if existing is not None:
            raise AlreadyExists(subject=subject)
    elif existing is None or wanted != revision_of(context, existing.seq_from):
        raise RevisionConflict(subject=subject)


def make_folders(context: SpaceContext, change: Change, to: Destination) -> int:
    """The destination's folder, after those that are missing above it have been made."""
    parent = to.folder
    for name in to.missing:
        parent = new_folder(context, change, parent, name, mtime_ns=change.tree.time_ms * 1_000_000).node
    return parent


def new_folder(
    context: SpaceContext, change: Change, parent: int, name: str, *, mtime_ns: int, attrs: bytes | None = None
) -> State:
    """A new folder in the folder `parent`. `attrs`: not sealed yet."""
    node = change.tree.new_node()
    return change.tree.create(
        State(
            node=node,
            parent=parent,
            name_key=context.names.key(parent, name),
            seq_from=change.tree.seq,
            kind=int(StateKind.FOLDER),
            name=context.names.seal_name(parent, name),
            size=0,
            mtime_ns=mtime_ns,
            attrs=context.names.seal_attrs(node, attrs),
            content=None,
            mac=b"",
        )
    )


class _Landing:
    """The items of one commit, inside its transaction."""

    def __init__(
        self,
        context: SpaceContext,
        caller: Caller,
        change: Change,
        upload: Upload,
        lists: Mapping[bytes, ListRow],
    ) -> None:
        self._context = context
        self._caller = caller
        self._change = change
        self._upload = upload
        self._lists = dict(lists)
        self._finder = DestinationFinder(context, change.tree)
        self._revision = revision_of(context, change.tree.seq)
        self._usable: dict[bytes, int] = {}  # chunks that can be referred to, with their lengths
        self._pending: list[bytes] = []  # those of them that nothing has referred to before
        self._all_usable = False  # as nearly always; then no item's chunks have to be looked at one by one
        self._missing: dict[bytes, None] = {}
        self._used: list[_Plan] = []  # whose chunks and lists are referred to from now on
        self._landed: set[tuple[int, bytes]] = set()  # where items of this commit have put files and symlinks

    def land(self, plans: list[_Plan | SfosError], *, atomic: bool) -> ItemsDone:
        """Put all items in place that can be; what became of each."""
        self._look_for_chunks([plan for plan in plans if isinstance(plan, _Plan)])
        destinations = self._finder.find_all([plan.item.target if isinstance(plan, _Plan) else plan for plan in plans])
        results: list[ItemResult] = []
        for plan, to in zip(plans, destinations, strict=True):
            try:
                results.append(self._land_one(plan, to))
            except SfosError as error:
                results.append(ItemResult(error=error.info()))
        if atomic and any(result.error for result in results):
            self._change.abandoned = True
            undone = TreeError("Nothing was changed, because another item could not be.").info()
            results = [result if result.error else ItemResult(error=undone) for result in results]
        if not self._change.changes_nothing:
            self._write_chunks()
        missing = list(self._missing)[:_MAX_MISSING_IDS]
        return ItemsDone(results=results, missing=missing, cursor=self._change.cursor, commit=self._change.commit)

    def _look_for_chunks(self, plans: list[_Plan]) -> None:
        """Find the chunks that the items can refer to: those that came along, and those that were there."""
        came_along = self._upload.rows
        self._usable = {one: length for one, _, _, _, _, length in came_along.values()}
        others = {one for plan in plans for one, _ in plan.records if one not in came_along}
        for one, (length, is_pending) in usable_chunks(self._change.tx, others, self._caller.actor).items():
            self._usable[one] = length
            if is_pending:
                self._pending.append(one)
        find = self._usable.get
        self._all_usable = all(find(one) == length for plan in plans for one, length in plan.records)

    def _land_one(self, plan: _Plan | SfosError, to: Destination | SfosError) -> ItemResult:
        if isinstance(plan, SfosError):
            raise plan
        if isinstance(to, SfosError):
            raise to
        item = plan.item
        if to.missing:
            to = self._finder.find(item.target)  # an item before this one may have made them
        if (to.folder, to.name_key) in self._landed:  # the later one would take the earlier one's content away
            raise AlreadyExists("Two items of this request have the same name.", subject=to.subject)
        existing = None if to.missing else self._change.tree.child(to.folder, to.name_key)
        if item.if_revision is not None:
            check_revision(self._context, item.if_revision, existing, to.subject)
        if existing is not None and existing.is_folder != (item.kind == "folder"):
            raise (IsAFolder if existing.is_folder else NotAFolder)(subject=to.subject)
        if not self._all_usable:
            self._check_chunks(plan, to)
        if existing is not None:
            state = self._land_on(existing, plan, to)
            return ItemResult(node=state.node, revision=revision_of(self._context, state.seq_from))
        return ItemResult(node=self._land_new(plan, to), revision=self._revision)

    def _land_new(self, plan: _Plan, to: Destination) -> int:
        """The id of the new node."""
        context, change, item = self._context, self._change, plan.item
        folder = make_folders(context, change, to) if to.missing else to.folder
        self._finder.made()
        self._used.append(plan)
        if item.kind == "folder":
            return new_folder(context, change, folder, to.name, mtime_ns=item.mtime_ns, attrs=plan.attrs).node
        name_key = to.name_key or context.names.key(folder, to.name)
        where = (folder, name_key)
        self._landed.add(where)
        return change.tree.create_leaf(
            where, _LEAVES[item.kind], to.name, item.size, item.mtime_ns, plan.attrs, plan.content
        )

    def _land_on(self, existing: State, plan: _Plan, to: Destination) -> State:
        new = State(
            node=existing.node,
            parent=existing.parent,
            name_key=existing.name_key,
            seq_from=existing.seq_from,
            kind=int(KIND_NUMBERS[plan.item.kind]),
            name=self._context.names.seal_name(to.folder, to.name),
            size=plan.item.size,
            mtime_ns=plan.item.mtime_ns,
            attrs=self._context.names.seal_attrs(existing.node, plan.attrs),
            content=plan.content,
            mac=existing.mac,
        )
        if not existing.is_folder:
            self._landed.add((existing.parent, existing.name_key))
        if new == existing:  # nothing to say: the same again makes no version
            if self._heals(plan):
                self._used.append(plan)
                self._change.heals = True
                self._change.tree.is_empty = False
            return existing
        self._used.append(plan)
        return self._change.tree.replace(existing, new)

    def _heals(self, plan: _Plan) -> bool:
        """Whether the rows of a content that a file has already were lost, and are here again."""
        ids = {one for one, _ in plan.records}
        if plan.content in self._lists or not ids.isdisjoint(self._pending):
            return True
        came_along = ids & self._upload.rows.keys()
        return len(chunk_rows(self._change.tx, came_along)) < len(came_along)

    def _check_chunks(self, plan: _Plan, to: Destination) -> None:
        missing = False
        for one, length in plan.records:
            found = self._usable.get(one)
            if found is None:
                self._missing[one] = None
                missing = True
            elif found != length:
                raise ContentMismatch("The length of a part is not what it was when it was stored.", subject=to.subject)
        if missing:
            raise MissingChunks(subject=to.subject)

    def _write_chunks(self) -> None:
        tx = self._change.tx
        new_lists = {plan.content: plan.packed for plan in self._used if plan.content is not None and plan.packed}
        known = known_lists(tx, new_lists)
        # Sealed before the transaction, but for a list that garbage collection has taken in between.
        lists = [
            self._lists.get(content) or seal_list(self._context, content, packed)
            for content, packed in new_lists.items()
            if content not in known
        ]
        more = insert_lists(tx, lists)
        self._change.count_rows(more)
        # References that are there already have outlived a list which was lost, and counted.
        self._change.heals |= more < sum([weight_of_list(one) for one in lists])
        used = {one for plan in self._used for one, _ in plan.records}
        self._upload.register(self._context, tx, self._caller, live=used, pending_since_ms=self._change.tree.time_ms)
        make_live(tx, [one for one in self._pending if one in used])
