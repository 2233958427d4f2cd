"""The window's colours: one frozen palette for light, one for dark, and a stronger variant of each.

Every colour that the window shows comes from here, so that contrast is judged in one place: text on its background is
at least 4.5 : 1 (WCAG 2.2 AA), which a test measures for both palettes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Mode = Literal["light", "dark"]


@dataclass(frozen=True, slots=True)
class Palette:
    """Named colours as `#rrggbb`; names say the role, never the hue, except where a file's icon bears a hue."""

    mode: Mode
    surface: str  # lists, dialogs, toolbar
    side: str  # sidebar and status bar
    header: str  # column headings
    row_alt: str  # every other row
    field: str  # inside of entries
    hover: str
    selection: str
    border: str  # around fields and between panes
    line: str  # between rows
    trough: str  # behind a progress bar, skeleton blocks
    usage_trough: str
    usage_history: str
    text: str
    muted: str
    disabled: str
    primary: str  # filled buttons
    primary_hover: str
    on_primary: str
    accent: str  # links, tabs, running bars
    success: str
    warning: str
    danger: str
    notice: str  # background of a banner that warns
    alarm: str  # background of a banner that reports an error
    good: str  # background of the newer side in a comparison
    button: str  # plain buttons
    button_hover: str
    code: str  # background of code
    folder: str
    red: str
    teal: str
    amber: str
    pink: str
    purple: str
    green: str
    blue: str
    grey: str


LIGHT = Palette(
    mode="light",
    surface="#ffffff",
    side="#f5f6f8",
    header="#fafbfc",
    row_alt="#fafbfc",
    field="#ffffff",
    hover="#f2f4f7",
    selection="#dbe7ff",
    border="#d6d6d6",
    line="#e3e6ea",
    trough="#e3e6ea",
    usage_trough="#d6d6d6",
    usage_history="#9a9a9a",
    text="#1f2328",
    muted="#667085",
    disabled="#a5abb6",
    primary="#0a58ca",
    primary_hover="#0b4fb3",
    on_primary="#ffffff",
    accent="#2563eb",
    success="#15803d",
    warning="#b45309",
    danger="#c8321f",
    notice="#fff7e6",
    alarm="#fdecea",
    good="#ecfdf3",
    button="#f0f0f0",
    button_hover="#e6e8eb",
    code="#f5f7fb",
    folder="#e3a008",
    red="#dc2626",
    teal="#0d9488",
    amber="#b45309",
    pink="#db2777",
    purple="#9333ea",
    green="#15803d",
    blue="#2563eb",
    grey="#667085",
)

DARK = Palette(
    mode="dark",
    surface="#1b1d21",
    side="#16181b",
    header="#1f2226",
    row_alt="#1e2025",
    field="#262b30",
    hover="#282c32",
    selection="#24406e",
    border="#45484b",
    line="#2d3138",
    trough="#2d3138",
    usage_trough="#45484b",
    usage_history="#7f8488",
    text="#e6e8eb",
    muted="#98a1ad",
    disabled="#5f666f",
    primary="#2f6fde",
    primary_hover="#3d7eea",
    on_primary="#ffffff",
    accent="#5b9bff",
    success="#4ade80",
    warning="#fbbf24",
    danger="#ff7b6b",
    notice="#3a2f17",
    alarm="#41211e",
    good="#173325",
    button="#2d3138",
    button_hover="#383d45",
    code="#22262b",
    folder="#e3a008",
    red="#f87171",
    teal="#2dd4bf",
    amber="#fbbf24",
    pink="#f472b6",
    purple="#c084fc",
    green="#4ade80",
    blue="#5b9bff",
    grey="#98a1ad",
)


def palette_for(mode: Mode, *, high_contrast: bool = False) -> Palette:
    """The palette of a mode; with `high_contrast`, secondary text and borders stand out as the main text does."""
    if mode == "light":
        if not high_contrast:
            return LIGHT
        return replace(LIGHT, text="#000000", muted="#3b424c", disabled="#6b7280", border="#6b7280", line="#9aa1ab")
    if not high_contrast:
        return DARK
    return replace(
        DARK, surface="#000000", side="#0b0c0e", text="#ffffff", muted="#d0d6de", border="#9aa1ab", line="#6b7280"
    )


def contrast(first: str, second: str) -> float:
    """The contrast ratio of two `#rrggbb` colours, 1 to 21 (WCAG 2.2, relative luminance)."""

    def luminance(colour: str) -> float:
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)
