"""One upload or download of any number of files and folders: its state, its items, its switch."""

from __future__ import annotations

from client.transfer.events import Direction, Item, JobState, Progress


class Job:
    """A running, waiting or finished transfer. All methods may be called from any thread and return at once."""

    number: int
    direction: Direction
    title: str  # what was asked for, for people: "report.pdf" or "14 items"
    destination: str  # remote folder of an upload, local folder of a download

    @property
    def state(self) -> JobState: ...

    @property
    def progress(self) -> Progress:
        """As of now."""

    def items(self, first: int = 0, limit: int | None = None) -> list[Item]:
        """The items from `first` on, as of now."""

    def failed_items(self) -> list[Item]:
        """What failed, each with its error."""

    def pause(self) -> None:
        """Start nothing new; what is on its way arrives."""

    def resume(self) -> None:
        """Go on."""

    def cancel(self) -> None:
        """Stop at once. What is complete stays; nothing partial is visible. Partial downloads are removed."""

    def retry_failed(self) -> None:
        """Try once more what failed (state FAILED only)."""

    def wait(self, timeout_s: float | None = None) -> bool:
        """Block until the job is over; whether it is. Not on a window's thread."""
