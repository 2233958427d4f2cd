"""Attributes alone on their way to the server: of what is there already, with the same content."""

from __future__ import annotations

from collections.abc import Sequence

from sfos.client.session.session import Session
from sfos.client.transfer.events import ItemState
from sfos.client.transfer.run import Run
from sfos.client.transfer.up.files import AttributesToSend
from sfos.protocol import SET_ATTRIBUTES, Attributes, AttributesItem, SpaceInfo, from_info

_TOO_OLD = "Its mode is another there, and this server cannot set it without the content; update the server."


def send_attributes(run: Run, space: SpaceInfo, changes: Sequence[AttributesToSend]) -> None:
    """Set them, each in the state that was seen. What an older server cannot do is told, and is no failure.

    In the job's own thread. Raises: Cancelled; an error that concerns all that is left.
    """
    if not changes:
        return
    run.switch.wait_open()
    session: Session = run.session
    if not session.server_can(SET_ATTRIBUTES):
        for change in changes:
            run.ledger.end(change.row, ItemState.UNCHANGED)
            run.ledger.remark(change.row, _TOO_OLD)
        return
    items = [
        AttributesItem(
            node=change.node,
            attrs=Attributes(mode=change.mode),
            if_revision=change.revision,
        )
        for change in changes
    ]
    for change, result in zip(changes, session.space(space).set_attributes(items), strict=True):
        if result.error is None:
            run.ledger.end(change.row, ItemState.ATTRIBUTES)
        else:
            run.ledger.end(change.row, ItemState.FAILED, from_info(result.error))
