"""Commands that do the same to one space after the other, and go on where one of them cannot be helped.

Each returns whether all is well, and says what it found or did.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence

from sfos.config import Config
from sfos.protocol import SfosError, counted, readable_size
from sfos.server.catalog.wrong_values import NUMBERS_SHOWN_AS, SHOWN_AS, first_wrong_value
from sfos.server.disk.refusals import refusal, told
from sfos.server.disk.sqlite import DatabaseError
from sfos.server.disk.storage_faults import StorageFault, TokenDamaged
from sfos.server.identity.credential_file import CredentialError, CredentialFile
from sfos.server.maintenance.expire import expire_history
from sfos.server.maintenance.gc import collect_garbage, remove_old_half_written
from sfos.server.maintenance.lease import HeldOff
from sfos.server.maintenance.saying import Say, complain, progress, say
from sfos.server.maintenance.stats import SpaceStats, space_stats
from sfos.server.maintenance.verify import Verified, verify_space
from sfos.server.maintenance.which_space import NoSuchSpace
from sfos.server.spaces.operations.context import SpaceContext
from sfos.server.spaces.registry import SpaceRegistry, wall_clock_ms

_TEMP_KEPT_MS = 3_600_000  # a half-written file younger than this may be one that a server is writing
_FAILURES = (StorageFault, SfosError, OSError, DatabaseError)


def verify_spaces(registry: SpaceRegistry, config: Config, space: str | None, *, full: bool) -> bool:
    """Look for damage, and say which files of which user it hurts."""
    users = _users(config)
    well = True
    for space_id in _chosen(registry, space):
        name = f"{space_id} ({users[space_id]})" if space_id in users else space_id
        try:
            with registry.inspect(space_id, rolled_back_too=True) as context:
                found = verify_space(context, full=full, progress=progress(space_id))
        except _FAILURES as error:
            refused = refusal(error)
            say(f"{name}: could not be read: {told(refused)}" if refused else f"{name}: DAMAGED: {error}")
            well = False
            continue
        _report(name, found, full=full)
        well = well and found.clean
    return well


def collect_spaces(registry: SpaceRegistry, config: Config, space: str | None) -> bool:
    """Remove what nothing refers to any more."""
    grace_ms = int(config.storage.gc_grace_s * 1_000)

    def collect(context: SpaceContext) -> str:
        done = collect_garbage(context, grace_ms, compact=True, progress=progress(context.space_id))
        given_back = f"; the catalog is {readable_size(done.given_back)} shorter" if done.given_back else ""
        return (
            f"{counted(done.chunks, 'chunk')} removed ({readable_size(done.bytes)}),"
            f" {counted(done.orphans, 'file')} without a row, {counted(done.lists, 'list')};"
            f" {counted(done.marked, 'chunk')} will follow{given_back}"
        )

    well = _do_each(registry, space, collect, "not collected")
    removed = remove_old_half_written(config.server.temp_dir, wall_clock_ms() - max(grace_ms, _TEMP_KEPT_MS))
    if removed:
        say(f"{counted(removed, 'half-written file')} removed")
    return well


def expire_spaces(registry: SpaceRegistry, config: Config, space: str | None) -> bool:
    """Forget history that is older than the policy."""
    kept_s = config.storage.history_kept_s

    def expire(context: SpaceContext) -> str:
        done = expire_history(context, int(kept_s * 1_000), progress=progress(context.space_id))
        return f"{counted(done.states, 'state')} that ended over {kept_s / 86_400:g} days ago forgotten"

    return _do_each(registry, space, expire, "not expired")


def count_spaces(registry: SpaceRegistry, space: str | None, *, as_json: bool) -> bool:
    """Say how much there is."""
    found: list[SpaceStats] = []

    def count(context: SpaceContext) -> str:
        found.append(space_stats(context))
        return ""

    well = _do_each(registry, space, count, "not counted", complain)
    if as_json:
        say(json.dumps([dataclasses.asdict(one) for one in found], indent=2))
        return well
    for one in found:
        say(
            f"{one.space}: {counted(one.files, 'file')} ({readable_size(one.bytes_current)}),"
            f" {counted(one.folders, 'folder')}, {counted(one.past_states, 'past state')},"
            f" {counted(one.commits, 'commit')};"
            f" {counted(one.chunks, 'chunk')}, {readable_size(one.bytes_stored)} stored,"
            f" and {readable_size(one.bytes_rows)} of rows"
        )
    return well


def _do_each(
    registry: SpaceRegistry, space: str | None, do: Callable[[SpaceContext], str], failed: str, tell: Say = say
) -> bool:
    """`do` each space and say what it returns, if anything; `tell` what could not be done. Whether all could be."""
    well = True
    for space_id in _chosen(registry, space):
        try:
            with registry.inspect(space_id) as context:
                done = _explained(do, context)
        except HeldOff as error:
            say(f"{space_id}: not now: {error}")
        except _FAILURES as error:
            tell(f"{space_id}: {failed}: {told(error)}")
            well = False
        else:
            if done:
                say(f"{space_id}: {done}")
    return well


def _explained(do: Callable[[SpaceContext], str], context: SpaceContext) -> str:
    """Run `do` on the space. Raises: what `do` raises; TokenDamaged instead, for an error that a wrong value in a row
    explains."""
    try:
        return do(context)
    except (*SHOWN_AS, *NUMBERS_SHOWN_AS) as error:
        wrong = first_wrong_value(context.catalog)
        if wrong is None:
            raise
        raise TokenDamaged(wrong) from error


def _chosen(registry: SpaceRegistry, space: str | None) -> Sequence[str]:
    """All that are stored, or the one that was named. Raises: NoSuchSpace."""
    stored = registry.space_ids()
    if space is None:
        if not stored:
            complain("no space is stored here yet")
        return stored
    if space not in stored:
        raise NoSuchSpace(f"no space {space} is stored here")
    return [space]


def _users(config: Config) -> dict[str, str]:
    """Names of users by the id of their home space; none if the accounts cannot be read."""
    try:
        accounts = CredentialFile(config.server.credentials_file).accounts()
    except (CredentialError, OSError):
        return {}
    return {account.user_id: account.name for account in accounts}


def _report(name: str, found: Verified, *, full: bool) -> None:
    stored = readable_size(found.bytes_stored)
    looked = f"{counted(found.states, 'state')}, {counted(found.chunks, 'chunk')} ({stored})"
    if full:
        looked += f", {found.opened} of them opened"
    if found.orphans:
        looked += f"; {counted(found.orphans, 'file')} without a row, as a crash leaves them (gc removes them in a day)"
    unread = f"{counted(len(found.unread), 'thing')} could not be read" if found.unread else ""
    if found.clean:
        say(f"{name}: clean: {looked}")
    elif found.findings:
        unread = f"; {unread}" if unread else ""
        say(f"{name}: DAMAGED: {counted(len(found.findings), 'finding')} in {looked}{unread}")
    else:
        say(f"{name}: NOT ALL WAS LOOKED AT: {unread}; nothing wrong in {looked}")
    if found.newer:
        say(
            f"  note: {found.newer} of the files without a row are newer than all that the catalog knows: an upload was"
            " cut off, or an old catalog was put back together with its HEAD file"
        )
    if found.packed:
        say(
            f"  note: {counted(found.packed, 'chunk or list', 'chunks or lists')} packed by a newer version of this"
            " program, which this one cannot look into; update it"
        )
    for finding in [*found.findings, *found.unread]:
        say(f"  {finding.about}: {'could not be read: ' if finding.unread else ''}{finding.detail}")
        of = "of" if finding.unread else "hurts"
        for path in finding.paths:
            say(f"    {of} {path}")
        if finding.versions:
            say(f"    {of} {counted(finding.versions, 'earlier version')}")
