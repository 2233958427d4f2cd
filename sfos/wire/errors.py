"""Every error that crosses the wire, one class each.

    SfosError                          code · retryable · exit_code; the docstring is the sentence people read
    ├── LocalProtocolError             this side misused the protocol: a bug here
    ├── RemoteProtocolError            the other side broke the protocol
    │   ├── FrameTooLong
    │   ├── MalformedMessage
    │   ├── UnsupportedVersion
    │   ├── UnknownCommand
    │   └── OutOfOrder
    ├── AccessError
    │   ├── LoginRequired · LoginFailed · ConnectionIntercepted · TooManyAttempts
    │   ├── SessionEnded (SessionRevoked) · ReauthenticationRequired
    │   ├── PermissionDenied · PasswordRefused · PasswordChangeRequired
    │   └── SignInIncomplete · ContentClosed        a newer server's, met by an older client
    ├── TreeError
    │   ├── NotFound · AlreadyExists · NotAFolder · IsAFolder · NameNotAllowed
    │   └── RevisionConflict · MovedBelowItself · ResyncRequired
    ├── ContentError
    │   └── MissingChunks · BadChunk · ContentMismatch · DataDamaged · NewerFormat
    ├── RepeatError
    │   └── OpIdReused · AnswerForgotten
    └── CapacityError
        ├── ServerBusy · StorageFull · QuotaExceeded · TooMuch
        └── StorageFailed · StorageMissing · ServerFault · ServerStopping

Server code raises them, dispatch turns them into `ErrorInfo`, and the client raises the same class again
(`from_info`). An unknown code becomes a plain `SfosError` that bears the code, so a newer server
never breaks an older client.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

import msgspec

__all__ = [
    "ERRORS",
    "AccessError",
    "AlreadyExists",
    "AnswerForgotten",
    "BadChunk",
    "CapacityError",
    "ConnectionIntercepted",
    "ContentClosed",
    "ContentError",
    "ContentMismatch",
    "DataDamaged",
    "ErrorInfo",
    "FrameTooLong",
    "IsAFolder",
    "LocalProtocolError",
    "LoginFailed",
    "LoginRequired",
    "MalformedMessage",
    "MissingChunks",
    "MovedBelowItself",
    "NameNotAllowed",
    "NewerFormat",
    "NotAFolder",
    "NotFound",
    "OpIdReused",
    "OutOfOrder",
    "PasswordChangeRequired",
    "PasswordRefused",
    "PermissionDenied",
    "QuotaExceeded",
    "ReauthenticationRequired",
    "RemoteProtocolError",
    "RepeatError",
    "ResyncRequired",
    "RevisionConflict",
    "ServerBusy",
    "ServerFault",
    "ServerStopping",
    "SessionEnded",
    "SessionRevoked",
    "SfosError",
    "SignInIncomplete",
    "StorageFailed",
    "StorageFull",
    "StorageMissing",
    "TooManyAttempts",
    "TooMuch",
    "TreeError",
    "UnknownCommand",
    "UnsupportedVersion",
    "from_info",
]

MAX_MESSAGE_CHARS = 500  # an error's sentence; longer is cut, so that no peer fills a log or a window
MAX_CODE_CHARS = 64
MAX_RETRY_AFTER_S = 86_400.0  # as the longest penalty; a peer's 1e300 would be more than any clock can wait


class ErrorInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """An error as it travels. `subject`: the name or path it is about; `retry_after_s`: seconds to wait.

    `details`: what a program may need of it beyond that, by the error's code.
    """

    code: str
    message: str
    subject: str | None = None
    retry_after_s: float | None = None
    details: dict[str, object] | None = None


class SfosError(Exception):
    """Something went wrong."""

    code: str = "error"  # of the class; of the object alone where no class of this program bears it
    retryable: ClassVar[bool] = False
    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        message: str | None = None,
        *,
        subject: str | None = None,
        retry_after_s: float | None = None,
        details: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        self.message = message or (type(self).__doc__ or "").split("\n", 1)[0]
        self.subject = subject
        self.retry_after_s = retry_after_s
        self.details = details
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.subject}: {self.message}" if self.subject else self.message

    def info(self) -> ErrorInfo:
        """The form that travels."""
        return ErrorInfo(
            self.code, self.message[:MAX_MESSAGE_CHARS], self.subject, self.retry_after_s, dict(self.details) or None
        )


class LocalProtocolError(SfosError):
    """This program used the protocol wrongly; please report it."""

    code = "local_protocol_error"
    exit_code = 70


class RemoteProtocolError(SfosError):
    """The other side does not follow the protocol."""

    code = "protocol_error"
    exit_code = 76


class FrameTooLong(RemoteProtocolError):
    """A message is longer than what is allowed here."""

    code = "frame_too_long"


class MalformedMessage(RemoteProtocolError):
    """A message cannot be read."""

    code = "malformed_message"


class UnsupportedVersion(RemoteProtocolError):
    """The other side speaks a version of the protocol that this one does not know; update the older of the two."""

    code = "unsupported_version"


class UnknownCommand(RemoteProtocolError):
    """The server does not know this command; it may be older than this client."""

    code = "unknown_command"


class OutOfOrder(RemoteProtocolError):
    """A command came at a time when it makes no sense."""

    code = "out_of_order"


class AccessError(SfosError):
    """This is not allowed."""

    code = "access_error"
    exit_code = 77


class LoginRequired(AccessError):
    """Sign in first."""

    code = "login_required"


class LoginFailed(AccessError):
    """Wrong user name or password."""

    code = "login_failed"


class ConnectionIntercepted(AccessError):
    """Your password was not sent, but someone may stand between you and the server: the connection ends elsewhere."""

    code = "connection_intercepted"
    exit_code = 12


class TooManyAttempts(AccessError):
    """Too many failed sign-ins; wait a little and try again."""

    code = "too_many_attempts"


class SessionEnded(AccessError):
    """The session has ended; sign in again."""

    code = "session_ended"


class SessionRevoked(SessionEnded):
    """This session was ended by its user or by an administrator; sign in again."""

    code = "session_revoked"


class ReauthenticationRequired(AccessError):
    """This needs a sign-in with the password just before."""

    code = "reauthentication_required"


class PermissionDenied(AccessError):
    """You may not do this."""

    code = "permission_denied"


class PasswordRefused(AccessError):
    """The new password does not meet the requirements."""

    code = "password_refused"


class PasswordChangeRequired(AccessError):
    """An administrator has set your password; choose one of your own first."""

    code = "password_change_required"


class SignInIncomplete(AccessError):
    """The server asks for more than a password, which this program does not know; update it."""

    code = "sign_in_incomplete"


class ContentClosed(AccessError):
    """The server gave no keys to read or write contents here; a newer version of this program may know how."""

    code = "content_closed"


class TreeError(SfosError):
    """The files are not as the request expects."""

    code = "tree_error"


class NotFound(TreeError):
    """No such file or folder."""

    code = "not_found"
    exit_code = 4


class AlreadyExists(TreeError):
    """Something of this name is already there."""

    code = "already_exists"
    exit_code = 5


class NotAFolder(TreeError):
    """This is not a folder."""

    code = "not_a_folder"
    exit_code = 5


class IsAFolder(TreeError):
    """This is a folder, and a file is needed."""

    code = "is_a_folder"
    exit_code = 5


class NameNotAllowed(TreeError):
    """This name is not allowed."""

    code = "name_not_allowed"
    exit_code = 5


class RevisionConflict(TreeError):
    """It was changed in the meantime; look at the new version first."""

    code = "revision_conflict"
    exit_code = 6


class MovedBelowItself(TreeError):
    """A folder cannot be put inside itself."""

    code = "moved_below_itself"
    exit_code = 5


class ResyncRequired(TreeError):
    """What was known of this account is too old; read the lists anew."""

    code = "resync_required"


class ContentError(SfosError):
    """The content is not as it should be."""

    code = "content_error"
    exit_code = 8


class MissingChunks(ContentError):
    """The server lacks parts of this file; send them and try again."""

    code = "missing_chunks"
    retryable = True


class BadChunk(ContentError):
    """A part of a file arrived damaged."""

    code = "bad_chunk"
    retryable = True


class ContentMismatch(ContentError):
    """The parts named do not make up the content named."""

    code = "content_mismatch"


class DataDamaged(ContentError):
    """Stored data is damaged and cannot be read; restore it from a backup or upload it again."""

    code = "data_damaged"


class NewerFormat(ContentError):
    """This was stored by a newer version of the program; update the server."""

    code = "newer_format"


class RepeatError(SfosError):
    """This request cannot be repeated."""

    code = "repeat_error"


class OpIdReused(RepeatError):
    """This request's number was used for another one."""

    code = "op_id_reused"
    exit_code = 70


class AnswerForgotten(RepeatError):
    """This request was carried out long ago, and its answer is no longer kept."""

    code = "answer_forgotten"


class CapacityError(SfosError):
    """The server cannot take this now."""

    code = "capacity_error"
    exit_code = 9


class ServerBusy(CapacityError):
    """The server is at its limit of connections; try again shortly."""

    code = "server_busy"
    retryable = True
    exit_code = 75


class StorageFull(CapacityError):
    """The server's disk is full, so it takes nothing new; deleting works, and its administrator can make room."""

    code = "storage_full"


class QuotaExceeded(CapacityError):
    """Your quota is used up; delete something or ask the administrator."""

    code = "quota_exceeded"


class TooMuch(CapacityError):
    """The request asks for more at once than is allowed."""

    code = "too_much"


class StorageFailed(CapacityError):
    """The server's disk reported an error, and nothing was changed; its administrator finds details in the log."""

    code = "storage_failed"


class StorageMissing(CapacityError):
    """The storage of this account is missing on the server; its administrator must look."""

    code = "storage_missing"


class ServerFault(CapacityError):
    """The server made a mistake; its administrator finds details in the log."""

    code = "server_fault"
    exit_code = 70


class ServerStopping(CapacityError):
    """The server is stopping; try again in a moment."""

    code = "server_stopping"
    retryable = True
    exit_code = 75


def _tree(root: type[SfosError]) -> dict[str, type[SfosError]]:
    found = {root.code: root}
    for child in root.__subclasses__():
        found |= _tree(child)
    return found


ERRORS: dict[str, type[SfosError]] = _tree(SfosError)


def from_info(info: ErrorInfo) -> SfosError:
    """The exception that `info` describes; one of an unknown code is a plain SfosError that bears the code."""
    wait_s = info.retry_after_s
    error = ERRORS.get(info.code, SfosError)(
        info.message[:MAX_MESSAGE_CHARS],
        subject=info.subject,
        retry_after_s=None if wait_s is None else min(max(wait_s, 0.0), MAX_RETRY_AFTER_S),
        details=info.details or {},
    )
    if error.code != info.code:
        error.code = info.code[:MAX_CODE_CHARS]  # of a newer server: kept, so that programs can tell it by its name
    return error
