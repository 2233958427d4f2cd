"""The places of the window, in their order: the first is where one begins."""

from __future__ import annotations

from sfos.gui.administration.page import AdministrationPage
from sfos.gui.files.page import FilesPage
from sfos.gui.page import PageMaker

PLACES: tuple[PageMaker, ...] = (FilesPage, AdministrationPage)
