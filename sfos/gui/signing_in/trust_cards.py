"""Cards about the server's key: its first meeting, and a key that has changed."""

from __future__ import annotations

import datetime as dt
import tkinter as tk
from collections.abc import Callable
from tkinter import ttk

from sfos.client.errors import ChangedServerKey, UnknownServerKey
from sfos.gui.look import styles
from sfos.gui.look.theme import Theme
from sfos.gui.signing_in.gate import Card


def _date(when: dt.datetime) -> str:
    local = when.astimezone()
    return f"{local.day} {local:%b %Y}"


class TrustCard(Card):
    """The first meeting: fingerprint and words to compare; trusting takes a tick that one has done so."""

    def __init__(
        self,
        parent: tk.Misc,
        theme: Theme,
        key: UnknownServerKey,
        *,
        on_trust: Callable[[], None],
        on_cancel: Callable[[], None],
    ) -> None:
        super().__init__(parent, theme)
        px, palette = theme.px, theme.palette
        icon = ttk.Label(self.body, style=styles.TEXT, image=theme.icon("shield-lock-fill", palette.warning, 36))
        icon.pack(anchor="w", pady=(0, px(10)))
        self.label("Is this really your server?", styles.TITLE, below=6)
        self.label(
            f"This computer has never connected to {key.address}. It has proved that it knows your account; "
            "now compare the fingerprint with the one that its administrator sees.",
            styles.MUTED,
            below=12,
        )
        box = ttk.Frame(self.body, style=styles.NOTICE, padding=(px(14), px(12)))
        box.pack(fill="x")
        ttk.Label(box, text=in_rows(str(key.fingerprint)), style=styles.NOTICE_MONO, justify="left").pack(anchor="w")
        words = ttk.Label(
            box, text=set_apart(key.words), style=styles.NOTICE_STRONG, wraplength=px(self.WIDTH - 28), justify="left"
        )
        words.pack(anchor="w", pady=(px(8), 0))
        facts = key.facts
        signed = "Self-signed" if facts.self_signed else f"Issued by {facts.issuer}"
        self.label(
            f"{signed} · valid {_date(facts.not_before)} – {_date(facts.not_after)}", styles.MUTED, above=12, below=8
        )
        self._compared = tk.BooleanVar(self, value=False)
        check = ttk.Checkbutton(
            self.body, text="I compared the fingerprint", style=styles.CHECK, variable=self._compared,
            command=lambda: self.trust.state(["!disabled" if self._compared.get() else "disabled"]),
        )  # fmt: skip
        check.pack(anchor="w")
        row = self.button_row()
        self.trust = ttk.Button(row, text="Trust this server", style=styles.PRIMARY, command=on_trust)
        self.trust.pack(side="right")
        self.trust.state(["disabled"])
        self.cancel = ttk.Button(row, text="Cancel", style=styles.BUTTON, command=on_cancel)
        self.cancel.pack(side="right", padx=(0, px(8)))
        self.check = check
        for widget in (check, self.trust, self.cancel):
            widget.bind("<Escape>", lambda _event: on_cancel())
        check.focus_set()


class ChangedKeyCard(Card):
    """A changed key: the safe way out is the button at hand; replacing takes typing the server's name."""

    def __init__(
        self,
        parent: tk.Misc,
        theme: Theme,
        key: ChangedServerKey,
        *,
        on_replace: Callable[[], None],
        on_disconnect: Callable[[], None],
    ) -> None:
        super().__init__(parent, theme)
        px, palette = theme.px, theme.palette
        icon = ttk.Label(self.body, style=styles.TEXT, image=theme.icon("shield-fill-x", palette.danger, 36))
        icon.pack(anchor="w", pady=(0, px(10)))
        self.label("Server identity has changed", styles.TITLE, below=6)
        since = f" on {_date(key.pinned_since)}" if key.pinned_since else ""
        self.label(
            f"The key of {key.address} is not the one you trusted{since}. Someone may be intercepting the connection, "
            "or the server was reinstalled. Nothing was sent. Ask its administrator before you go on.",
            styles.MUTED,
            below=12,
        )
        pair = ttk.Frame(self.body, style=styles.SURFACE)
        pair.pack(fill="x")
        for row, (label, fingerprint, style) in enumerate(
            (("Trusted", key.pinned, styles.GOOD_MONO), ("Now", key.seen, styles.BAD_MONO))
        ):
            ttk.Label(pair, text=label, style=styles.MUTED).grid(row=2 * row, column=0, sticky="nw", pady=(px(5), 0))
            ttk.Label(pair, text=in_rows(str(fingerprint)), style=style, justify="left").grid(
                row=2 * row, column=1, sticky="w", padx=(px(16), 0), pady=(px(5), 0)
            )
            ttk.Label(
                pair, text=set_apart(fingerprint.words), style=styles.BOLD, wraplength=px(self.WIDTH - 80),
                justify="left",
            ).grid(row=2 * row + 1, column=1, sticky="w", padx=(px(16), 0), pady=(px(2), px(5)))  # fmt: skip
        self._host = key.address.host
        self.typed = self.entry(f"Type the server's name ({self._host}) to replace the trusted key:")
        self.typed.bind("<KeyRelease>", lambda _event: self._check())
        row_frame = self.button_row()
        self.disconnect = ttk.Button(row_frame, text="Disconnect", style=styles.PRIMARY, command=on_disconnect)
        self.disconnect.pack(side="right")
        self.replace = ttk.Button(row_frame, text="Replace key", style=styles.DANGER, command=on_replace)
        self.replace.pack(side="right", padx=(0, px(8)))
        self.replace.state(["disabled"])
        for widget in (self.typed, self.disconnect, self.replace):
            widget.bind("<Escape>", lambda _event: on_disconnect())
        self.disconnect.focus_set()

    def _check(self) -> None:
        right = self.typed.get().strip().casefold() == self._host.casefold()
        self.replace.state(["!disabled" if right else "disabled"])


def in_rows(fingerprint: str, groups: int = 8) -> str:
    """A fingerprint whose groups are set apart by spaces, `groups` to a line."""
    parts = fingerprint.split()
    return "\n".join(" ".join(parts[start : start + groups]) for start in range(0, len(parts), groups))


def set_apart(words: str) -> str:
    """A fingerprint's words, set apart as they are read aloud."""
    return " · ".join(words.split())
