"""Options of a client: its patience, and how much it may use."""

from __future__ import annotations

import os
from typing import Self

import msgspec

from sfos import config
from sfos.client.retry import NEVER, RetryPolicy

MIB = 1024 * 1024


class ConnectionOptions(msgspec.Struct, frozen=True):
    """Waits in seconds. `reply_timeout_s`: a server that says nothing for so long is given up.

    Trying again: `first` the connection with which a session begins, `retry` a command of a session whose connection
    was lost, before the caller hears of it, `watch` what is watched. `action`: the run of the program that all
    changes belong to, unless a request names another.
    """

    connect_timeout_s: float = 10.0
    login_timeout_s: float = 20.0
    reply_timeout_s: float = 60.0
    first: RetryPolicy = NEVER  # an address where nobody answers may be a wrong one: say so at once
    retry: RetryPolicy = RetryPolicy(first_s=0.1, longest_s=2.0, give_up_after_s=8.0)
    watch: RetryPolicy = RetryPolicy(first_s=0.25, longest_s=15.0)
    client_name: str = "sfos"
    action: bytes = msgspec.field(default_factory=lambda: os.urandom(16))


class TransferOptions(msgspec.Struct, frozen=True):
    """Limits of all transfers of one engine. Rates in bytes per second, 0 = none.

    `connections`: for each running job; two serve two cores, more gained nothing (measured). `memory_bytes`: of file
    data in flight, for all jobs together; half as much again beside jobs that pause. `retry`: of each connection in a
    row without any progress, before items fail.
    `fsync_small_downloads`: files of one chunk as well; 0.5 to 1 ms each (measured), against a power cut in the seconds
    after a download, which its repetition mends: a file that was left empty has another size than on the server, and is
    fetched again.
    """

    connections: int = 2
    depth: int = 16
    parallel_jobs: int = 2
    memory_bytes: int = 96 * MIB
    batch_bytes: int = 4 * MIB
    upload_rate: int = 0
    download_rate: int = 0
    retry: RetryPolicy = RetryPolicy(first_s=0.5, longest_s=30.0, tries=5)
    fsync_small_downloads: bool = False
    progress_hz: float = 20.0


class ClientOptions(msgspec.Struct, frozen=True):
    """All that can be set of a client."""

    connection: ConnectionOptions = msgspec.field(default_factory=ConnectionOptions)
    transfer: TransferOptions = msgspec.field(default_factory=TransferOptions)

    @classmethod
    def of(cls, settings: config.Client, client_name: str = "sfos") -> Self:
        """Options from the section `client` of the configuration."""
        return cls(
            ConnectionOptions(
                connect_timeout_s=settings.connect_timeout_s,
                reply_timeout_s=settings.request_timeout_s,
                client_name=client_name,
            ),
            TransferOptions(
                connections=settings.connections,
                depth=settings.depth,
                batch_bytes=settings.batch_bytes,
                upload_rate=settings.upload_limit_bytes_s,
                download_rate=settings.download_limit_bytes_s,
                retry=msgspec.structs.replace(
                    TransferOptions().retry, first_s=settings.retry_base_s, tries=settings.retries
                ),
                fsync_small_downloads=settings.fsync_small_downloads,
            ),
        )
