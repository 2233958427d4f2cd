"""How patient a client is, and how much it may use. The entry scripts fill this from `config`."""

from __future__ import annotations

from dataclasses import dataclass, field

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """Waits in seconds. `retry_for_s`: how long a lost connection is tried again before the caller hears of it."""

    connect_timeout_s: float = 10.0
    login_timeout_s: float = 20.0
    reply_timeout_s: float = 60.0
    retry_for_s: float = 10.0
    client_name: str = "sfos"


@dataclass(frozen=True, slots=True)
class TransferOptions:
    """Limits of all transfers of one engine. Rates in bytes per second, 0 = none.

    `connections`: for each running job; two serve two cores, more gained nothing (measured). `memory_bytes`: of file
    data in flight, for all jobs together. `retry_for_s`: without any progress, before items fail.
    """

    connections: int = 2
    parallel_jobs: int = 2
    memory_bytes: int = 96 * MIB
    batch_bytes: int = 4 * MIB
    upload_rate: int = 0
    download_rate: int = 0
    retry_for_s: float = 120.0
    durable_downloads: bool = True
    progress_hz: float = 20.0


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """All that can be set of a client."""

    connection: ConnectionOptions = field(default_factory=ConnectionOptions)
    transfer: TransferOptions = field(default_factory=TransferOptions)
