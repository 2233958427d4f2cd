"""Uploads and downloads of any number of files: `TransferEngine`, `Job`, and the events they tell of."""

from sfos.client.transfer.engine import TransferEngine
from sfos.client.transfer.events import (
    AskConflict,
    Conflict,
    ConflictAnswer,
    ConflictPolicy,
    Direction,
    Item,
    ItemFinished,
    ItemRemarked,
    ItemState,
    JobChanged,
    JobState,
    Listener,
    OnConflict,
    Progress,
    Tally,
    TransferEvent,
)
from sfos.client.transfer.job import Job

__all__ = [
    "AskConflict",
    "Conflict",
    "ConflictAnswer",
    "ConflictPolicy",
    "Direction",
    "Item",
    "ItemFinished",
    "ItemRemarked",
    "ItemState",
    "Job",
    "JobChanged",
    "JobState",
    "Listener",
    "OnConflict",
    "Progress",
    "Tally",
    "TransferEngine",
    "TransferEvent",
]
