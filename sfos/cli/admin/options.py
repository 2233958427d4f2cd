"""What `admin` was asked for: one class for each of its commands (see options)."""

from __future__ import annotations

import msgspec

from sfos.protocol import Role


class AdminUsersOptions(msgspec.Struct, frozen=True):
    """`admin users`."""

    json: bool = False


class AdminAddOptions(msgspec.Struct, frozen=True):
    """`admin add`. `quota`: bytes; `files`: how many. None is as the server allows everybody, 0 no limit."""

    name: str
    role: Role = "user"
    quota: int | None = None
    files: int | None = None
    new_password_file: str | None = None
    generate: bool = False
    json: bool = False


class AdminResetOptions(msgspec.Struct, frozen=True):
    """`admin reset`."""

    name: str
    new_password_file: str | None = None
    generate: bool = False
    json: bool = False


class AdminDisableOptions(msgspec.Struct, frozen=True):
    """`admin disable`, and `admin enable`."""

    name: str
    disabled: bool = True
    json: bool = False


class AdminRoleOptions(msgspec.Struct, frozen=True):
    """`admin role`."""

    name: str
    role: Role
    json: bool = False


class AdminQuotaOptions(msgspec.Struct, frozen=True):
    """`admin quota`. Both as in `admin add`; what is not given stays as it is."""

    name: str
    quota: int | msgspec.UnsetType | None = msgspec.UNSET
    files: int | msgspec.UnsetType | None = msgspec.UNSET
    json: bool = False


class AdminRemoveOptions(msgspec.Struct, frozen=True):
    """`admin remove`. `yes`: do not ask."""

    name: str
    yes: bool = False


class AdminSessionsOptions(msgspec.Struct, frozen=True):
    """`admin sessions`."""

    name: str | None = None
    json: bool = False


class AdminLogoutOptions(msgspec.Struct, frozen=True):
    """`admin logout`. `session`: the beginning of an id; None: all of them."""

    name: str
    session: str | None = None


class AdminPenaltiesOptions(msgspec.Struct, frozen=True):
    """`admin penalties`."""

    json: bool = False


class AdminLiftOptions(msgspec.Struct, frozen=True):
    """`admin lift`. Exactly one of the three is given."""

    account: str | None = None
    address: str | None = None
    every: bool = False


class AdminAuditOptions(msgspec.Struct, frozen=True):
    """`admin audit`."""

    lines: int = 20
    json: bool = False


AdminOptions = (
    AdminUsersOptions
    | AdminAddOptions
    | AdminResetOptions
    | AdminDisableOptions
    | AdminRoleOptions
    | AdminQuotaOptions
    | AdminRemoveOptions
    | AdminSessionsOptions
    | AdminLogoutOptions
    | AdminPenaltiesOptions
    | AdminLiftOptions
    | AdminAuditOptions
)
