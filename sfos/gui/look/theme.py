"""The look of the window, behind one door: palette, scale, fonts, icons. Views import nothing of ttkbootstrap.

theme = Theme(root, mode="light")      # before the first widget
theme.px(12)                           # 12 design pixels on this screen
theme.icon("upload", theme.palette.accent)
theme.set_mode("dark")                 # restyles everything, then tells the listeners of `on_change`
"""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from tkinter import font as tkfont
from tkinter import ttk
from typing import Any

import ttkbootstrap
from PIL import ImageTk

from sfos.gui.look import scaling
from sfos.gui.look.icons import IconShelf
from sfos.gui.look.palette import Mode, Palette, palette_for
from sfos.gui.look.style_sheet import StyleSheet

# Best first. No font is bundled: each desktop's own reads best on it. The number is how large 13 design pixels must be
# drawn in that family for the same height of a small letter.
_TEXT_FAMILIES: tuple[tuple[str, float], ...] = (
    ("Inter", 1.0),
    ("Inter Variable", 1.0),
    ("Segoe UI Variable Text", 1.04),
    ("Segoe UI", 1.04),
    ("SF Pro Text", 1.0),
    ("Helvetica Neue", 1.0),
    ("Adwaita Sans", 1.0),
    ("Cantarell", 1.04),
    ("Ubuntu", 1.04),
    ("Noto Sans", 1.0),
    ("Roboto", 1.04),
    ("Open Sans", 1.0),
    ("Liberation Sans", 1.04),
    ("DejaVu Sans", 0.93),
)
_MONO_FAMILIES: tuple[tuple[str, float], ...] = (
    ("JetBrains Mono", 0.96),
    ("Cascadia Mono", 1.0),
    ("SF Mono", 0.96),
    ("Menlo", 0.96),
    ("Ubuntu Mono", 1.08),
    ("Noto Sans Mono", 0.96),
    ("DejaVu Sans Mono", 0.93),
    ("Consolas", 1.04),
)
TEXT_SIZE, SMALL_SIZE, HEADING_SIZE, TITLE_SIZE, MONO_SIZE = 13.0, 12.0, 15.0, 19.0, 13.0
TEXT_SCALES = (0.8, 1.6)  # beyond it, either nothing can be read or nothing has room
ICON = 16
_LISTED_FONTS = ("TkDefaultFont", "TkTextFont", "TkMenuFont", "TkHeadingFont", "TkCaptionFont", "TkTooltipFont")


class Window(ttkbootstrap.App):
    """The application's one root window, hidden until its content stands. Its colours are those of `Theme`."""

    def __init__(self, title: str, mode: Mode = "light", *, high_contrast: bool = False) -> None:
        # Registered before the root exists, so that no theme is built that is never shown.
        for contrast in (False, True):
            _register(high_contrast=contrast)
        super().__init__(
            title=title, theme=_name(mode, high_contrast), iconphoto=None, default_button="neutral", high_dpi=True
        )
        self.withdraw()
        # ttkbootstrap takes Space from buttons, and lets Return go on to the dialog after the button has answered it.
        for key in ("<space>", "<Return>", "<KP_Enter>"):
            self.bind_class("TButton", key, _press)
        # A click does what the button says and leaves the keyboard where it was, as everywhere on a toolbar.
        self.tk.call("bind", "TButton", "<Button-1>", "%W instate !disabled { %W state pressed }")


def _press(event: tk.Event[tk.Misc]) -> str:
    if isinstance(event.widget, ttk.Button):
        event.widget.invoke()
    return "break"


class Theme:
    """The look of one root window; every view gets it and asks it for sizes, colours, fonts and icons.

    `scale` and `text_scale` are the person's settings; None leaves the scale to the screen (`gui.look.scaling`).
    """

    def __init__(
        self,
        root: tk.Tk,
        mode: Mode = "light",
        *,
        scale: float | None = None,
        text_scale: float = 1.0,
        high_contrast: bool = False,
    ) -> None:
        self.root = root
        self.factor = scaling.apply(root, scale)
        self.text_scale = min(TEXT_SCALES[1], max(TEXT_SCALES[0], text_scale))
        self.high_contrast = high_contrast
        self.palette: Palette = palette_for(mode, high_contrast=high_contrast)
        self._listeners: list[Callable[[], None]] = []
        self._shelf = IconShelf(root)
        self._fonts()
        self._sheet = StyleSheet(root, self.px)
        self._style: Any = ttkbootstrap.Style.get_instance()  # type: ignore[no-untyped-call]
        self._use()
        # Whoever else switches themes (a dialog of the library) must not leave our overrides behind.
        root.bind("<<ThemeChanged>>", self._on_theme_changed, add="+")

    # --- sizes, fonts, icons ---------------------------------------------------------------------------------------

    def px(self, design_pixels: float) -> int:
        """Real pixels for a length given at 1×; at least 1 for anything above 0."""
        return max(1, round(design_pixels * self.factor)) if design_pixels > 0 else 0

    def icon_states(self, name: str, size: float = ICON, colour: str | None = None) -> Any:
        """An icon as ttk takes it, with a paler one for disabled widgets (which ttk otherwise stipples)."""
        return (
            str(self.icon(name, colour, size)), "disabled", str(self.icon(name, self.palette.disabled, size)),
        )  # fmt: skip

    def icon(
        self, name: str, colour: str | None = None, size: float = ICON, *,
        pad_left: float = 0, pad_right: float = 0, pad_y: float = 0,
    ) -> ImageTk.PhotoImage:  # fmt: skip
        """The icon `name` in `colour` (default: the text's), `size` design pixels square; drawn once and kept."""
        return self._shelf.get(
            name,
            self.px(size),
            colour or self.palette.text,
            pad_left=self.px(pad_left),
            pad_right=self.px(pad_right),
            pad_y=self.px(pad_y),
        )

    def bar(self, canvas: tk.Canvas, left: int, right: int, middle: int, thick: int, colour: str) -> None:
        """Draw a bar with smooth round ends on `canvas`, from `left` to `right` around the height `middle`.

        Canvas lines have ragged caps, since Tk does not smooth what it draws.
        """
        half = thick // 2
        top = middle - half
        right = max(right, left + 2 * half)
        canvas.create_image(left, top, image=self._shelf.cap(thick, colour, "left"), anchor="nw")
        canvas.create_image(right - half, top, image=self._shelf.cap(thick, colour, "right"), anchor="nw")
        if right - left > 2 * half:
            canvas.create_rectangle(left + half, top, right - half, top + thick, fill=colour, width=0)

    def measure(self, text: str, font: str = "TkDefaultFont") -> int:
        """Width of `text` in the named font, in real pixels."""
        return self._named(font).measure(text)

    def line_height(self, font: str = "TkDefaultFont") -> int:
        """The height of one line of the named font, in real pixels."""
        return int(self._named(font).metrics("linespace"))

    def elide(self, text: str, width: int, font: str = "TkDefaultFont", *, sentence: bool = False) -> str:
        """`text`, or as much of its beginning and its end as fits in `width` real pixels with `…` between.

        `sentence`: only of its beginning, for what is read and not recognised.
        """
        cut = _cut_end if sentence else _cut
        named = self._named(font)
        if named.measure(text) <= width:
            return text
        low, high = 0, len(text)
        while low < high:
            keep = (low + high + 1) // 2
            if named.measure(cut(text, keep)) <= width:
                low = keep
            else:
                high = keep - 1
        return cut(text, low)

    def _named(self, font: str) -> tkfont.Font:
        return tkfont.nametofont(font, root=self.root)

    def _fonts(self) -> None:
        available = set(tkfont.families(self.root))
        family, adjust = _first(_TEXT_FAMILIES, available, self._named("TkDefaultFont").actual("family"))
        mono, mono_adjust = _first(_MONO_FAMILIES, available, self._named("TkFixedFont").actual("family"))

        def size(design: float, by: float) -> int:
            return -self.px(design * by * self.text_scale)  # negative: pixels, not points

        for name in _LISTED_FONTS:
            self._named(name).configure(family=family, size=size(TEXT_SIZE, adjust), weight="normal")
        self._named("TkFixedFont").configure(family=mono, size=size(MONO_SIZE, mono_adjust))
        for name, design, weight in (
            ("SfSmallFont", SMALL_SIZE, "normal"),
            ("SfBoldFont", TEXT_SIZE, "bold"),
            ("SfHeadingFont", HEADING_SIZE, "bold"),
            ("SfTitleFont", TITLE_SIZE, "bold"),
        ):
            self._own_font(name, family, size(design, adjust), weight, "roman")
        self._own_font("SfItalicFont", family, size(TEXT_SIZE, adjust), "normal", "italic")
        self._own_font("SfMonoBoldFont", mono, size(MONO_SIZE, mono_adjust), "bold", "roman")
        self.text_family, self.mono_family = family, mono

    def _own_font(self, name: str, family: str, size: int, weight: str, slant: str) -> None:
        options = ("-family", family, "-size", size, "-weight", weight, "-slant", slant)
        verb = "configure" if name in tkfont.names(self.root) else "create"
        self.root.tk.call("font", verb, name, *options)

    # --- light and dark --------------------------------------------------------------------------------------------

    @property
    def mode(self) -> Mode:
        """Mode of the palette that is shown."""
        return self.palette.mode

    def set_mode(self, mode: Mode) -> None:
        """Show the other palette, in every window at once."""
        if mode != self.mode:
            self.palette = palette_for(mode, high_contrast=self.high_contrast)
            self._use()

    def set_high_contrast(self, high: bool) -> None:
        """Show secondary text and borders as strongly as the main text, or not."""
        if high != self.high_contrast:
            self.high_contrast = high
            self.palette = palette_for(self.mode, high_contrast=high)
            self._use()

    def set_text_scale(self, scale: float) -> None:
        """Show all text larger or smaller, within `TEXT_SCALES`."""
        scale = round(min(TEXT_SCALES[1], max(TEXT_SCALES[0], scale)), 2)
        if scale != self.text_scale:
            self.text_scale = scale
            self._fonts()
            self._use()

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` after each change of palette (not now); a method of a widget, until that is destroyed."""
        self._listeners.append(listener)

    def _use(self) -> None:
        name = _name(self.palette.mode, self.high_contrast)
        if self._style.theme_use() != name:
            self._style.theme_use(name)
        self._sheet.apply(self.palette)
        self.root.configure(background=self.palette.surface)
        # Widgets that were destroyed are forgotten here, so that none of them has to remember to say goodbye.
        self._listeners = [listener for listener in self._listeners if _alive(getattr(listener, "__self__", None))]
        errors: list[Exception] = []
        for listener in tuple(self._listeners):
            try:
                listener()
            except Exception as error:  # the others must not stay in the old colours; raised again below
                errors.append(error)
        if errors:
            raise errors[0]

    def _on_theme_changed(self, event: tk.Event[tk.Misc]) -> None:
        if event.widget is self.root:
            self._sheet.apply(self.palette)


def _alive(owner: object) -> bool:
    return not isinstance(owner, tk.Misc) or bool(owner.winfo_exists())


def _family(high_contrast: bool) -> str:
    return "sf-contrast" if high_contrast else "sf"


def _name(mode: Mode, high_contrast: bool) -> str:
    return f"{_family(high_contrast)}-{mode}"


def _first(families: tuple[tuple[str, float], ...], available: set[str], otherwise: str) -> tuple[str, float]:
    return next(((name, by) for name, by in families if name in available), (otherwise, 1.0))


def _cut(text: str, keep: int) -> str:
    """`keep` characters of `text`, two thirds from its beginning: the end of a name tells its type."""
    head = -(-keep * 2 // 3)
    tail = keep - head
    return f"{text[:head]}…{text[len(text) - tail :] if tail else ''}"


def _cut_end(text: str, keep: int) -> str:
    return f"{text[:keep].rstrip()}…"


def _register(*, high_contrast: bool) -> None:
    """Tell ttkbootstrap our two themes: it draws what this project does not restyle (lists that drop down, dialogs)."""
    light, dark = (palette_for(mode, high_contrast=high_contrast) for mode in ("light", "dark"))
    ttkbootstrap.Theme(
        name=_family(high_contrast),
        primary=light.primary,
        success=light.success,
        info=light.accent,
        warning=light.warning,
        danger=light.danger,
        neutral=light.grey,
        light={"background": light.surface, "foreground": light.text},
        dark={"background": dark.surface, "foreground": dark.text},
    ).register()  # type: ignore[no-untyped-call]
