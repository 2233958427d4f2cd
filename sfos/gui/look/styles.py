"""Styles of this project on top of ttkbootstrap's, for one palette at a time.

ttkbootstrap builds a Tcl theme for light and one for dark; the styles here live inside whichever is in use, so `apply`
runs again after every switch, any number of times. Names begin with `Sf`, which no style of ttkbootstrap does.
"""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from dataclasses import dataclass, replace
from tkinter import font as tkfont
from tkinter import ttk
from typing import Any

from sfos.gui.look.palette import Palette
from sfos.gui.look.style_pictures import RADIUS, StylePictures

# The style names that views use; each is made in one of the functions below.
SURFACE = "SfSurface.TFrame"
SIDE = "SfSide.TFrame"
LINE = "SfLine.TFrame"
BORDER = "SfBorder.TFrame"
NOTICE = "SfNotice.TFrame"
ALARM = "SfAlarm.TFrame"
GOOD = "SfGood.TFrame"
MUTED_BOX = "SfBox.TFrame"
FIELD_BOX = "SfFieldBox.TFrame"

BUTTON = "SfPlain.TButton"
PRIMARY = "SfPrimary.TButton"
DANGER = "SfDanger.TButton"
TOOL = "SfTool.TButton"
TOOL_ON = "SfToolOn.TButton"
LINK = "SfLink.TButton"
NOTICE_LINK = "SfNoticeLink.TButton"
NOTICE_TOOL = "SfNoticeTool.TButton"
ALARM_LINK = "SfAlarmLink.TButton"
ALARM_TOOL = "SfAlarmTool.TButton"
CRUMB = "SfCrumb.TButton"
CRUMB_HERE = "SfCrumbHere.TButton"
TAB = "SfTab.TButton"
TAB_HERE = "SfTabHere.TButton"

TEXT = "SfText.TLabel"
MUTED = "SfMuted.TLabel"
SMALL = "SfSmall.TLabel"
BOLD = "SfBold.TLabel"
TITLE = "SfTitle.TLabel"
HEADING = "SfHeading.TLabel"
ERROR = "SfError.TLabel"
MONO = "SfMono.TLabel"
SIDE_TEXT = "SfSide.TLabel"
SIDE_MUTED = "SfSideMuted.TLabel"
NOTICE_TEXT = "SfNotice.TLabel"
NOTICE_STRONG = "SfNoticeStrong.TLabel"
NOTICE_MONO = "SfNoticeMono.TLabel"
ALARM_TEXT = "SfAlarm.TLabel"
GOOD_TEXT = "SfGood.TLabel"
GOOD_STRONG = "SfGoodStrong.TLabel"
GOOD_MONO = "SfGoodMono.TLabel"
BAD_MONO = "SfBadMono.TLabel"
FIELD_MUTED = "SfFieldMuted.TLabel"
BOX_TEXT = "SfBox.TLabel"
BOX_STRONG = "SfBoxStrong.TLabel"

CHECK = "SfCheck.TCheckbutton"
ENTRY = "SfField.TEntry"
BARE_ENTRY = "SfBare.TEntry"
FILES = "SfFiles.Treeview"
FOLDERS = "SfFolders.Treeview"
TABLE = "SfTable.Treeview"
PANES = "SfPanes.TPanedwindow"
PANES_SIDE = "SfPanesSide.TPanedwindow"
SCROLL_V = "SfScroll.Vertical.TScrollbar"
SCROLL_H = "SfScroll.Horizontal.TScrollbar"
SCROLL_SIDE = "SfScrollSide.Vertical.TScrollbar"
USAGE = "SfUsage.Horizontal.TProgressbar"

ROW_HEIGHT = 28
SASH = 5  # between two panes


@dataclass(frozen=True, slots=True)
class _Look:
    """Look of one kind of button; `border` None: none, `pad`: design pixels left and right, above and below."""

    name: str
    fill: str
    hover: str
    text: str
    border: str | None = None
    pad: tuple[int, int] = (12, 6)
    font: str = "TkDefaultFont"
    text_hover: str | None = None
    on: str | None = None  # what lies around it, if not the surface
    least: int = 0  # characters that fit at the least


def _nested(*elements: str) -> Any:
    """A ttk layout in which each element fills the one before it."""
    layout: list[tuple[str, dict[str, object]]] = []
    for element in reversed(elements):
        options: dict[str, object] = {"sticky": "nsew", "expand": "1"}
        if layout:
            options["children"] = layout
        layout = [(element, options)]
    return layout


class StyleSheet:
    """Applies a palette to the ttk theme in use."""

    def __init__(self, root: tk.Misc, px: Callable[[float], int]) -> None:
        self._root = root
        self._px = px
        self._pictures = StylePictures(root, px)

    def apply(self, palette: Palette) -> None:
        """Write every style for `palette` into the ttk theme in use."""
        # A plain ttk.Style on purpose: ttkbootstrap's own would try to read our names as its own vocabulary.
        style = ttk.Style(self._root)
        self._frames(style, palette)
        self._labels(style, palette)
        self._buttons(style, palette)
        self._fields(style, palette)
        self._trees(style, palette)
        self._scrollbars(style, palette)
        self._native(palette)

    # --- flat areas and text ---------------------------------------------------------------------------------------

    def _frames(self, style: ttk.Style, p: Palette) -> None:
        style.configure(".", background=p.surface, foreground=p.text, font="TkDefaultFont")
        style.configure("TFrame", background=p.surface)
        style.configure("TLabel", background=p.surface, foreground=p.text)
        for name, colour in (
            (SURFACE, p.surface),
            (SIDE, p.side),
            (LINE, p.line),
            (BORDER, p.border),
            (NOTICE, p.notice),
            (ALARM, p.alarm),
            (GOOD, p.good),
            (MUTED_BOX, p.hover),
        ):
            style.configure(name, background=colour, borderwidth=0, relief="flat")
        element = f"{FIELD_BOX}.border"
        if element not in style.element_names():
            box = self._pictures.box(p.field, p.border)
            style.element_create(element, "image", box, border=self._px(RADIUS) + 1, sticky="nsew")
            style.layout(FIELD_BOX, _nested(element))
        style.configure(FIELD_BOX, background=p.surface)
        style.configure(PANES, background=p.surface)
        style.configure(PANES_SIDE, background=p.side)
        style.configure("Sash", sashthickness=self._px(SASH), gripcount=0, background=p.surface, bordercolor=p.surface)

    def _labels(self, style: ttk.Style, p: Palette) -> None:
        for name, background, colour, font in (
            (TEXT, p.surface, p.text, "TkDefaultFont"),
            (MUTED, p.surface, p.muted, "TkDefaultFont"),
            (SMALL, p.surface, p.muted, "SfSmallFont"),
            (BOLD, p.surface, p.text, "SfBoldFont"),
            (TITLE, p.surface, p.text, "SfTitleFont"),
            (HEADING, p.surface, p.text, "SfHeadingFont"),
            (ERROR, p.surface, p.danger, "TkDefaultFont"),
            (MONO, p.surface, p.text, "TkFixedFont"),
            (SIDE_TEXT, p.side, p.text, "TkDefaultFont"),
            (SIDE_MUTED, p.side, p.muted, "SfSmallFont"),
            (NOTICE_TEXT, p.notice, p.text, "TkDefaultFont"),
            (NOTICE_STRONG, p.notice, p.warning, "SfBoldFont"),
            (NOTICE_MONO, p.notice, p.text, "TkFixedFont"),
            (ALARM_TEXT, p.alarm, p.text, "TkDefaultFont"),
            (GOOD_TEXT, p.good, p.muted, "TkDefaultFont"),
            (GOOD_STRONG, p.good, p.text, "SfBoldFont"),
            (GOOD_MONO, p.surface, p.success, "TkFixedFont"),
            (BAD_MONO, p.surface, p.danger, "TkFixedFont"),
            (FIELD_MUTED, p.field, p.muted, "TkDefaultFont"),
            (BOX_TEXT, p.hover, p.muted, "TkDefaultFont"),
            (BOX_STRONG, p.hover, p.text, "SfBoldFont"),
        ):
            style.configure(name, background=background, foreground=colour, font=font)

    # --- buttons ---------------------------------------------------------------------------------------------------

    def _button(self, style: ttk.Style, p: Palette, look: _Look) -> None:
        """One button style: a rounded box that changes on hover and shows the keyboard focus by a strong border."""
        element = f"{look.name}.body"
        if element not in style.element_names():
            focus = p.text if look.fill == p.primary else p.accent
            framed = look.border is not None or look.fill == p.primary
            idle = self._pictures.box(look.on or p.surface, p.line if framed else None)
            style.element_create(
                element,
                "image",
                self._pictures.box(look.fill, look.border),
                ("disabled", idle),
                ("pressed", self._pictures.box(look.hover, look.border)),
                ("active focus", self._pictures.box(look.hover, focus, 2)),
                ("focus", self._pictures.box(look.fill, focus, 2)),
                ("active", self._pictures.box(look.hover, look.border)),
                border=self._px(RADIUS) + 1,
                sticky="nsew",
            )
            style.layout(look.name, _nested(element, "Button.padding", "Button.label"))
        style.configure(
            look.name,
            background=look.on or p.surface,
            foreground=look.text,
            font=look.font,
            anchor="center",
            borderwidth=0,
            width=-look.least,
            padding=tuple(self._px(pad) for pad in look.pad),
        )
        style.map(
            look.name,
            background=[("disabled", look.on or p.surface)],
            foreground=[("disabled", p.disabled), ("active", look.text_hover or look.text)],
        )

    def _buttons(self, style: ttk.Style, p: Palette) -> None:
        flat = _Look(TOOL, fill=p.surface, hover=p.hover, text=p.text, pad=(6, 6))
        quiet = replace(flat, text=p.muted, text_hover=p.text)
        for look in (
            _Look(BUTTON, fill=p.button, hover=p.button_hover, border=p.border, text=p.text, least=8),
            _Look(PRIMARY, fill=p.primary, hover=p.primary_hover, text=p.on_primary, least=8),
            _Look(DANGER, fill=p.surface, hover=p.alarm, border=p.danger, text=p.danger, least=8),
            flat,
            replace(flat, name=TOOL_ON, fill=p.selection, hover=p.selection),
            replace(flat, name=LINK, text=p.accent, pad=(4, 2), font="SfBoldFont"),
            replace(flat, name=NOTICE_LINK, text=p.accent, pad=(6, 2), font="SfBoldFont", fill=p.notice, on=p.notice),
            replace(flat, name=NOTICE_TOOL, fill=p.notice, on=p.notice),
            replace(flat, name=ALARM_LINK, text=p.accent, pad=(6, 2), font="SfBoldFont", fill=p.alarm, on=p.alarm),
            replace(flat, name=ALARM_TOOL, fill=p.alarm, on=p.alarm),
            replace(quiet, name=CRUMB, pad=(5, 3), fill=p.field, on=p.field),
            replace(flat, name=CRUMB_HERE, pad=(5, 3), font="SfBoldFont", fill=p.field, on=p.field),
            replace(quiet, name=TAB, pad=(8, 5)),
            replace(flat, name=TAB_HERE, pad=(8, 5), font="SfBoldFont"),
        ):
            self._button(style, p, look)

    # --- fields ----------------------------------------------------------------------------------------------------

    def _fields(self, style: ttk.Style, p: Palette) -> None:
        element = f"{ENTRY}.field"
        if element not in style.element_names():
            style.element_create(
                element,
                "image",
                self._pictures.box(p.field, p.border),
                ("disabled", self._pictures.box(p.side, p.line)),
                ("invalid", self._pictures.box(p.field, p.danger, 2)),
                ("focus", self._pictures.box(p.field, p.accent, 2)),
                border=self._px(RADIUS) + 1,
                sticky="nsew",
            )
            style.layout(ENTRY, _nested(element, "Entry.padding", "Entry.textarea"))
        style.configure(
            ENTRY,
            background=p.surface,
            fieldbackground=p.field,
            foreground=p.text,
            insertcolor=p.text,
            insertwidth=max(1, self._px(1)),
            selectbackground=p.selection,
            selectforeground=p.text,
            padding=(self._px(8), self._px(6)),
        )
        style.map(ENTRY, foreground=[("disabled", p.disabled)])
        style.layout(BARE_ENTRY, _nested("Entry.padding", "Entry.textarea"))
        style.configure(
            BARE_ENTRY,
            background=p.field,
            fieldbackground=p.field,
            foreground=p.text,
            insertcolor=p.text,
            selectbackground=p.selection,
            selectforeground=p.text,
            padding=(self._px(2), self._px(4)),
        )
        mark = f"{CHECK}.mark"
        if mark not in style.element_names():
            style.element_create(
                mark,
                "image",
                self._pictures.mark("square", p.muted),
                ("disabled selected", self._pictures.mark("check-square-fill", p.disabled)),
                ("disabled", self._pictures.mark("square", p.disabled)),
                ("selected", self._pictures.mark("check-square-fill", p.primary)),
                ("focus", self._pictures.mark("square", p.accent)),
                sticky="",
            )
            inner: Any = [(mark, {"side": "left"}), ("Checkbutton.label", {"side": "left", "sticky": "w"})]
            style.layout(CHECK, [("Checkbutton.padding", {"sticky": "nsew", "children": inner})])
        style.configure(CHECK, background=p.surface, foreground=p.text, padding=(self._px(2), self._px(3)))
        style.map(
            CHECK,
            foreground=[("disabled", p.disabled), ("focus", p.accent)],
            background=[("active", p.surface)],
        )

    # --- lists -----------------------------------------------------------------------------------------------------

    def _trees(self, style: ttk.Style, p: Palette) -> None:
        line = tkfont.nametofont("TkDefaultFont", root=self._root).metrics("linespace")
        row = max(self._px(ROW_HEIGHT), line + self._px(8))
        for name, background in ((FILES, p.surface), (FOLDERS, p.side), (TABLE, p.surface)):
            style.layout(name, [("Treeview.treearea", {"sticky": "nsew"})])
            style.configure(
                name,
                background=background,
                fieldbackground=background,
                foreground=p.text,
                font="TkDefaultFont",
                rowheight=row,
                borderwidth=0,
                relief="flat",
                indent=self._px(16),
            )
            style.map(
                name,
                background=[("disabled", background), ("selected", p.selection)],
                foreground=[("disabled", p.disabled), ("selected", p.text)],
            )
            style.configure(
                f"{name}.Heading",
                background=p.header,
                foreground=p.muted,
                font="SfSmallFont",
                relief="flat",
                borderwidth=0,
                padding=(self._px(4), self._px(6)),  # as far from the edge as ttk's cells
            )
            style.map(
                f"{name}.Heading",
                background=[("active", p.hover)],
                foreground=[("active", p.text)],
                relief=[("active", "flat"), ("pressed", "flat")],
            )
        # No dotted box round the focused row: the view marks it itself, and clam's box is clipped at 2×.
        item: Any = [
            ("Treeitem.image", {"side": "left", "sticky": ""}),
            ("Treeitem.text", {"side": "left", "sticky": ""}),
        ]
        for name in (FILES, TABLE):
            style.layout(f"{name}.Item", [("Treeitem.padding", {"sticky": "nsew", "children": item})])
            style.configure(f"{name}.Item", padding=(self._px(8), 0, 0, 0))
        # ttk's own triangle of the tree is a few pixels at any scale; its states are user1 (open) and user2 (leaf).
        arrow = f"{FOLDERS}.arrow"
        if arrow not in style.element_names():
            style.element_create(
                arrow,
                "image",
                self._pictures.arrow("chevron-right", p.muted),
                ("user2", self._pictures.arrow(None, p.muted)),
                ("user1", self._pictures.arrow("chevron-down", p.muted)),
                sticky="",
            )
        branch: Any = [(arrow, {"side": "left", "sticky": ""}), *item]
        style.layout(f"{FOLDERS}.Item", [("Treeitem.padding", {"sticky": "nsew", "children": branch})])
        style.configure(f"{FOLDERS}.Item", padding=(self._px(2), 0, 0, 0))

    def _scrollbars(self, style: ttk.Style, p: Palette) -> None:
        """Thin bars without arrows, as wide as a finger of a mouse needs and no more."""
        for name, orient, back in (
            (SCROLL_V, "Vertical", p.surface),
            (SCROLL_H, "Horizontal", p.surface),
            (SCROLL_SIDE, "Vertical", p.side),
        ):
            # ttk finds what it moves and what is dragged by this name alone: its part after the last dot.
            thumb = f"{name}.thumb"
            if thumb not in style.element_names():
                style.element_create(
                    thumb,
                    "image",
                    self._pictures.thumb(p.border),
                    ("pressed", self._pictures.thumb(p.muted)),
                    ("active", self._pictures.thumb(p.muted)),
                    border=self._px(5),
                    sticky="nsew",
                )
            style.layout(name, _nested(f"{orient}.Scrollbar.trough", thumb))
            style.configure(
                name,
                troughcolor=back,
                background=back,
                bordercolor=back,
                lightcolor=back,
                darkcolor=back,
                relief="flat",
                borderwidth=0,
                troughrelief="flat",
            )

    # --- what ttk does not reach -----------------------------------------------------------------------------------

    def _native(self, p: Palette) -> None:
        """Colours of menus, of lists that drop down, and of Tk's own dialogs, through the option database."""
        root = self._root
        for pattern, value in (
            ("*Menu.background", p.surface),
            ("*Menu.foreground", p.text),
            ("*Menu.activeBackground", p.selection),
            ("*Menu.activeForeground", p.text),
            ("*Menu.disabledForeground", p.disabled),
            ("*Menu.selectColor", p.text),
            ("*Menu.relief", "flat"),
            ("*Menu.borderWidth", "1"),
            ("*Menu.activeBorderWidth", "0"),
            ("*TCombobox*Listbox.background", p.field),
            ("*TCombobox*Listbox.foreground", p.text),
        ):
            root.option_add(pattern, value, 80)
