"""The style sheet: how each named style (`styles`) is drawn, in a palette and at a scale."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from dataclasses import dataclass, replace
from tkinter import font as tkfont
from tkinter import ttk
from typing import Any

from sfos.gui.look import styles
from sfos.gui.look.palette import Palette
from sfos.gui.look.style_pictures import RADIUS, StylePictures


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
            (styles.SURFACE, p.surface),
            (styles.SIDE, p.side),
            (styles.LINE, p.line),
            (styles.BORDER, p.border),
            (styles.NOTICE, p.notice),
            (styles.ALARM, p.alarm),
            (styles.GOOD, p.good),
            (styles.MUTED_BOX, p.hover),
        ):
            style.configure(name, background=colour, borderwidth=0, relief="flat")
        element = f"{styles.FIELD_BOX}.border"
        if element not in style.element_names():
            box = self._pictures.box(p.field, p.border)
            style.element_create(element, "image", box, border=self._px(RADIUS) + 1, sticky="nsew")
            style.layout(styles.FIELD_BOX, _nested(element))
        style.configure(styles.FIELD_BOX, background=p.surface)
        style.configure(styles.PANES, background=p.surface)
        style.configure(styles.PANES_SIDE, background=p.side)
        style.configure(
            "Sash", sashthickness=self._px(styles.SASH), gripcount=0, background=p.surface, bordercolor=p.surface
        )

    def _labels(self, style: ttk.Style, p: Palette) -> None:
        for name, background, colour, font in (
            (styles.TEXT, p.surface, p.text, "TkDefaultFont"),
            (styles.MUTED, p.surface, p.muted, "TkDefaultFont"),
            (styles.SMALL, p.surface, p.muted, "SfSmallFont"),
            (styles.BOLD, p.surface, p.text, "SfBoldFont"),
            (styles.TITLE, p.surface, p.text, "SfTitleFont"),
            (styles.HEADING, p.surface, p.text, "SfHeadingFont"),
            (styles.ERROR, p.surface, p.danger, "TkDefaultFont"),
            (styles.MONO, p.surface, p.text, "TkFixedFont"),
            (styles.SIDE_TEXT, p.side, p.text, "TkDefaultFont"),
            (styles.SIDE_MUTED, p.side, p.muted, "SfSmallFont"),
            (styles.NOTICE_TEXT, p.notice, p.text, "TkDefaultFont"),
            (styles.NOTICE_STRONG, p.notice, p.warning, "SfBoldFont"),
            (styles.NOTICE_MONO, p.notice, p.text, "TkFixedFont"),
            (styles.ALARM_TEXT, p.alarm, p.text, "TkDefaultFont"),
            (styles.GOOD_TEXT, p.good, p.muted, "TkDefaultFont"),
            (styles.GOOD_STRONG, p.good, p.text, "SfBoldFont"),
            (styles.GOOD_MONO, p.surface, p.success, "TkFixedFont"),
            (styles.BAD_MONO, p.surface, p.danger, "TkFixedFont"),
            (styles.FIELD_MUTED, p.field, p.muted, "TkDefaultFont"),
            (styles.BOX_TEXT, p.hover, p.muted, "TkDefaultFont"),
            (styles.BOX_STRONG, p.hover, p.text, "SfBoldFont"),
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
        flat = _Look(styles.TOOL, fill=p.surface, hover=p.hover, text=p.text, pad=(6, 6))
        quiet = replace(flat, text=p.muted, text_hover=p.text)
        for look in (
            _Look(styles.BUTTON, fill=p.button, hover=p.button_hover, border=p.border, text=p.text, least=8),
            _Look(styles.PRIMARY, fill=p.primary, hover=p.primary_hover, text=p.on_primary, least=8),
            _Look(styles.DANGER, fill=p.surface, hover=p.alarm, border=p.danger, text=p.danger, least=8),
            flat,
            replace(flat, name=styles.TOOL_ON, fill=p.selection, hover=p.selection),
            replace(flat, name=styles.LINK, text=p.accent, pad=(4, 2), font="SfBoldFont"),
            replace(
                flat, name=styles.NOTICE_LINK, text=p.accent, pad=(6, 2), font="SfBoldFont", fill=p.notice, on=p.notice
            ),
            # On a toast, whose colours are the other way round.
            replace(
                flat,
                name=styles.TOAST_LINK,
                text=p.surface,
                text_hover=p.text,
                pad=(8, 3),
                font="SfBoldFont",
                fill=p.text,
                on=p.text,
            ),
            replace(flat, name=styles.NOTICE_TOOL, fill=p.notice, on=p.notice),
            replace(
                flat, name=styles.ALARM_LINK, text=p.accent, pad=(6, 2), font="SfBoldFont", fill=p.alarm, on=p.alarm
            ),
            replace(flat, name=styles.ALARM_TOOL, fill=p.alarm, on=p.alarm),
            replace(quiet, name=styles.CRUMB, pad=(5, 3), fill=p.field, on=p.field),
            replace(flat, name=styles.CRUMB_HERE, pad=(5, 3), font="SfBoldFont", fill=p.field, on=p.field),
            replace(quiet, name=styles.TAB, pad=(8, 5)),
            replace(flat, name=styles.TAB_HERE, pad=(8, 5), font="SfBoldFont"),
        ):
            self._button(style, p, look)

    # --- fields ----------------------------------------------------------------------------------------------------

    def _fields(self, style: ttk.Style, p: Palette) -> None:
        element = f"{styles.ENTRY}.field"
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
            style.layout(styles.ENTRY, _nested(element, "Entry.padding", "Entry.textarea"))
        self._entry(style, styles.ENTRY, p, background=p.surface, padding=(8, 6))
        style.map(styles.ENTRY, foreground=[("disabled", p.disabled)])
        # As high as a row of a list, over which it lies.
        style.layout(styles.ROW_ENTRY, _nested(element, "Entry.padding", "Entry.textarea"))
        self._entry(style, styles.ROW_ENTRY, p, background=p.surface, padding=(6, 1))
        style.layout(styles.BARE_ENTRY, _nested("Entry.padding", "Entry.textarea"))
        self._entry(style, styles.BARE_ENTRY, p, background=p.field, padding=(2, 4))
        mark = f"{styles.CHECK}.mark"
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
            style.layout(styles.CHECK, [("Checkbutton.padding", {"sticky": "nsew", "children": inner})])
        style.configure(styles.CHECK, background=p.surface, foreground=p.text, padding=(self._px(2), self._px(3)))
        style.map(
            styles.CHECK,
            foreground=[("disabled", p.disabled), ("focus", p.accent)],
            background=[("active", p.surface)],
        )

    def _entry(
        self, style: ttk.Style, name: str, p: Palette, *, background: str, padding: tuple[int, int]
    ) -> None:  # fmt: skip
        """Colours of one entry style; `padding` in pixels at 1x."""
        style.configure(
            name,
            background=background,
            fieldbackground=p.field,
            foreground=p.text,
            insertcolor=p.text,
            insertwidth=max(1, self._px(1)),
            selectbackground=p.selection,
            selectforeground=p.text,
            padding=tuple(self._px(side) for side in padding),
        )

    # --- lists -----------------------------------------------------------------------------------------------------

    def _trees(self, style: ttk.Style, p: Palette) -> None:
        line = tkfont.nametofont("TkDefaultFont", root=self._root).metrics("linespace")
        row = max(self._px(styles.ROW_HEIGHT), line + self._px(8))
        for name, background in ((styles.FILES, p.surface), (styles.FOLDERS, p.side), (styles.TABLE, p.surface)):
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
            # No colour of its own for selected text: it would hide the one of rows that were cut.
            style.map(
                name,
                background=[("disabled", background), ("selected", p.selection)],
                foreground=[("disabled", p.disabled)],
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
        for name in (styles.FILES, styles.TABLE):
            style.layout(f"{name}.Item", [("Treeitem.padding", {"sticky": "nsew", "children": item})])
            style.configure(f"{name}.Item", padding=(self._px(8), 0, 0, 0))
        # ttk's own triangle of the tree is a few pixels at any scale; its states are user1 (open) and user2 (leaf).
        arrow = f"{styles.FOLDERS}.arrow"
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
        style.layout(f"{styles.FOLDERS}.Item", [("Treeitem.padding", {"sticky": "nsew", "children": branch})])
        style.configure(f"{styles.FOLDERS}.Item", padding=(self._px(2), 0, 0, 0))

    def _scrollbars(self, style: ttk.Style, p: Palette) -> None:
        """Thin bars without arrows, as wide as a finger of a mouse needs and no more."""
        for name, orient, back in (
            (styles.SCROLL_V, "Vertical", p.surface),
            (styles.SCROLL_H, "Horizontal", p.surface),
            (styles.SCROLL_SIDE, "Vertical", p.side),
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
