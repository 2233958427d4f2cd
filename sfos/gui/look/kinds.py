"""Kinds of files by their names: the word for people, the icon, and how it can be previewed. No I/O.

The name decides nothing but what is shown and which decoder tries first; decoders trust only the bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from sfos.protocol import Entry


class Preview(Enum):
    """Preview of a file: the ways to show one."""

    NONE = "none"
    TEXT = "text"
    CODE = "code"
    MARKDOWN = "markdown"
    TABLE = "table"
    PICTURE = "picture"
    DRAWING = "drawing"
    PDF = "pdf"
    ARCHIVE = "archive"
    AUDIO = "audio"


@dataclass(frozen=True, slots=True)
class FileKind:
    """Look of a file in the list. `colour` is the name of a field of `gui.look.palette.Palette`."""

    label: str
    icon: str
    colour: str
    preview: Preview = Preview.NONE


FOLDER = FileKind("Folder", "folder-fill", "folder")
LINK = FileKind("Link", "link-45deg", "grey")
UNKNOWN = FileKind("File", "file-earmark", "grey", Preview.TEXT)

_PICTURE = ("file-earmark-image", "teal", Preview.PICTURE)
_CODE = ("file-earmark-code", "purple", Preview.CODE)
_TEXT = ("file-earmark-text", "grey", Preview.TEXT)
_ARCHIVE = ("file-earmark-zip", "amber", Preview.ARCHIVE)
_AUDIO = ("file-earmark-music", "pink", Preview.AUDIO)
_VIDEO = ("file-earmark-play", "pink", Preview.NONE)
_TABLE = ("file-earmark-spreadsheet", "green", Preview.TABLE)
_SHEET = ("file-earmark-spreadsheet", "green", Preview.NONE)
_WORDS = ("file-earmark-richtext", "blue", Preview.NONE)
_SLIDES = ("file-earmark-slides", "amber", Preview.NONE)
_DRAWING = ("vector-pen", "purple", Preview.NONE)
_FONT = ("file-earmark-font", "grey", Preview.NONE)
_BINARY = ("file-earmark-binary", "grey", Preview.NONE)
_SECRET = ("file-earmark-lock", "grey", Preview.NONE)

_BY_EXTENSION: dict[str, tuple[str, tuple[str, str, Preview]]] = {
    "pdf": ("PDF document", ("file-earmark-pdf", "red", Preview.PDF)),
    "md": ("Markdown", ("markdown", "blue", Preview.MARKDOWN)),
    "markdown": ("Markdown", ("markdown", "blue", Preview.MARKDOWN)),
    "txt": ("Text", _TEXT),
    "log": ("Log", _TEXT),
    "rst": ("reStructuredText", _TEXT),
    "csv": ("CSV table", _TABLE),
    "tsv": ("TSV table", _TABLE),
    "png": ("PNG image", _PICTURE),
    "jpg": ("JPEG image", _PICTURE),
    "jpeg": ("JPEG image", _PICTURE),
    "gif": ("GIF image", _PICTURE),
    "webp": ("WebP image", _PICTURE),
    "bmp": ("BMP image", _PICTURE),
    "tif": ("TIFF image", _PICTURE),
    "tiff": ("TIFF image", _PICTURE),
    "ico": ("Icon", _PICTURE),
    "avif": ("AVIF image", _PICTURE),
    "svg": ("SVG drawing", ("file-earmark-image", "teal", Preview.DRAWING)),
    "svgz": ("SVG drawing", ("file-earmark-image", "teal", Preview.DRAWING)),
    "zip": ("ZIP archive", _ARCHIVE),
    "jar": ("Java archive", _ARCHIVE),
    "whl": ("Python wheel", _ARCHIVE),
    "tar": ("TAR archive", _ARCHIVE),
    "gz": ("Gzip archive", _ARCHIVE),
    "tgz": ("TAR archive", _ARCHIVE),
    "bz2": ("Bzip2 archive", _ARCHIVE),
    "xz": ("XZ archive", _ARCHIVE),
    "7z": ("7-Zip archive", ("file-earmark-zip", "amber", Preview.NONE)),
    "rar": ("RAR archive", ("file-earmark-zip", "amber", Preview.NONE)),
    "mp3": ("MP3 audio", _AUDIO),
    "flac": ("FLAC audio", _AUDIO),
    "ogg": ("Ogg audio", _AUDIO),
    "opus": ("Opus audio", _AUDIO),
    "m4a": ("MPEG-4 audio", _AUDIO),
    "wav": ("WAV audio", _AUDIO),
    "mp4": ("MPEG-4 video", _VIDEO),
    "mkv": ("Matroska video", _VIDEO),
    "mov": ("QuickTime video", _VIDEO),
    "webm": ("WebM video", _VIDEO),
    "avi": ("AVI video", _VIDEO),
    "doc": ("Word document", _WORDS),
    "docx": ("Word document", _WORDS),
    "odt": ("OpenDocument text", _WORDS),
    "rtf": ("Rich text", _WORDS),
    "xls": ("Excel sheet", _SHEET),
    "xlsx": ("Excel sheet", _SHEET),
    "ods": ("OpenDocument sheet", _SHEET),
    "ppt": ("Presentation", _SLIDES),
    "pptx": ("Presentation", _SLIDES),
    "odp": ("Presentation", _SLIDES),
    "fig": ("Figma file", _DRAWING),
    "psd": ("Photoshop image", _DRAWING),
    "ai": ("Illustrator drawing", _DRAWING),
    "ttf": ("Font", _FONT),
    "otf": ("Font", _FONT),
    "woff2": ("Font", _FONT),
    "exe": ("Program", _BINARY),
    "dll": ("Library", _BINARY),
    "so": ("Library", _BINARY),
    "bin": ("Binary file", _BINARY),
    "iso": ("Disk image", _BINARY),
    "db": ("Database", _BINARY),
    "sqlite": ("Database", _BINARY),
    "pem": ("PEM file", _SECRET),
    "key": ("Key", _SECRET),
    "gpg": ("Encrypted file", _SECRET),
    "py": ("Python source", _CODE),
    "pyi": ("Python source", _CODE),
    "js": ("JavaScript source", _CODE),
    "ts": ("TypeScript source", _CODE),
    "tsx": ("TypeScript source", _CODE),
    "jsx": ("JavaScript source", _CODE),
    "c": ("C source", _CODE),
    "h": ("C header", _CODE),
    "cpp": ("C++ source", _CODE),
    "hpp": ("C++ header", _CODE),
    "rs": ("Rust source", _CODE),
    "go": ("Go source", _CODE),
    "java": ("Java source", _CODE),
    "kt": ("Kotlin source", _CODE),
    "rb": ("Ruby source", _CODE),
    "php": ("PHP source", _CODE),
    "swift": ("Swift source", _CODE),
    "sh": ("Shell script", _CODE),
    "bash": ("Shell script", _CODE),
    "ps1": ("PowerShell script", _CODE),
    "bat": ("Batch file", _CODE),
    "sql": ("SQL", _CODE),
    "html": ("HTML page", _CODE),
    "htm": ("HTML page", _CODE),
    "css": ("Style sheet", _CODE),
    "json": ("JSON", _CODE),
    "toml": ("TOML", _CODE),
    "yaml": ("YAML", _CODE),
    "yml": ("YAML", _CODE),
    "xml": ("XML", _CODE),
    "ini": ("Settings", _CODE),
    "cfg": ("Settings", _CODE),
    "conf": ("Settings", _CODE),
    "diff": ("Patch", _CODE),
    "patch": ("Patch", _CODE),
    "tex": ("LaTeX source", _CODE),
    "lua": ("Lua source", _CODE),
    "pl": ("Perl source", _CODE),
    "r": ("R source", _CODE),
}
_BY_NAME: dict[str, FileKind] = {
    "makefile": FileKind("Makefile", *_CODE),
    "dockerfile": FileKind("Dockerfile", *_CODE),
    "license": FileKind("Text", *_TEXT),
    "readme": FileKind("Text", *_TEXT),
    ".gitignore": FileKind("Text", *_TEXT),
}
_KINDS = {extension: FileKind(label, *look) for extension, (label, look) in _BY_EXTENSION.items()}


def kind_of(entry: Entry) -> FileKind:
    """Kind of `entry`, by its type and the end of its name."""
    return _kind_of(entry.kind, entry.name)


def label_of(kind: str, name: str) -> str:
    """Word for an entry of that kind and name."""
    return _kind_of(kind, name).label


def _kind_of(kind: str, name: str) -> FileKind:
    if kind == "folder":
        return FOLDER
    if kind == "symlink":
        return LINK
    return kind_of_name(name)


def kind_of_name(name: str) -> FileKind:
    """Kind of a file of this name."""
    lower = name.lower()
    known = _BY_NAME.get(lower)
    if known is not None:
        return known
    stem, dot, extension = lower.rpartition(".")
    if not dot or not stem:
        return UNKNOWN
    known = _KINDS.get(extension)
    if known is not None:
        return known
    if len(extension) <= 5 and extension.isalnum():
        return FileKind(f"{extension.upper()} file", UNKNOWN.icon, UNKNOWN.colour, Preview.TEXT)
    return UNKNOWN
