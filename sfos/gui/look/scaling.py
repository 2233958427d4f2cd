"""Scaling: how many real pixels one design pixel takes, decided once before the first widget is made.

Order: the person's setting → `Xft.dpi` (the X resource that desktops set) → `GDK_SCALE` → what Tk reads.
Tk alone is often wrong on X11, where the millimetres that a monitor reports are not what the desktop was set to.
"""

from __future__ import annotations

import os
import subprocess
import tkinter as tk

BASE_DPI = 96.0  # one design pixel is one real pixel here
MIN_FACTOR, MAX_FACTOR = 0.75, 4.0
_POINTS_PER_INCH = 72.0


def factor_for(setting: float | None, xft_dpi: float | None, gdk_scale: str | None, tk_dpi: float) -> float:
    """The factor from the first source that has a believable value, snapped to quarters and kept within limits."""
    if setting is not None:
        return _clamp(setting)
    if xft_dpi is not None and 48 <= xft_dpi <= 480:
        return _snap(xft_dpi / BASE_DPI)
    if gdk_scale is not None and gdk_scale.isdecimal() and 1 <= int(gdk_scale) <= 4:
        return float(int(gdk_scale))
    # A screen that reports 90 or 100 dpi means "ordinary": only a clear step is taken.
    return _snap(tk_dpi / BASE_DPI) if tk_dpi >= 1.2 * BASE_DPI else 1.0


def apply(root: tk.Tk, setting: float | None) -> float:
    """Decide the factor for `root`'s screen, tell Tk, and return it. Call before any widget or font is made."""
    windowing = str(root.tk.call("tk", "windowingsystem"))
    xft = _xft_dpi() if windowing == "x11" else None
    gdk = os.environ.get("GDK_SCALE") if windowing == "x11" else None
    factor = factor_for(setting, xft, gdk, root.winfo_fpixels("1i"))
    root.tk.call("tk", "scaling", factor * BASE_DPI / _POINTS_PER_INCH)
    return factor


def _xft_dpi() -> float | None:
    """`Xft.dpi` of the running X server, or None; asks `xrdb`, since Tk does not read the resource manager's value."""
    try:
        answer = subprocess.run(["xrdb", "-query"], capture_output=True, text=True, timeout=1.0, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    for line in answer.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "Xft.dpi":
            try:
                return float(value)
            except ValueError:
                return None
    return None


def _snap(factor: float) -> float:
    return _clamp(round(factor * 4) / 4)


def _clamp(factor: float) -> float:
    return min(MAX_FACTOR, max(MIN_FACTOR, factor))
