"""Pictures and pages of documents as raw pixels. Runs in the worker."""

from __future__ import annotations

import io

from PIL import Image, ImageOps

from sfos.gui.preview.blocks import MAX_PIXELS, NothingBlock, PictureBlock

_CHECK = 8  # design of the chessboard behind transparent parts, pixels


def picture(data: bytes, edge: int) -> PictureBlock | NothingBlock:
    """The picture, upright, at most `edge` pixels long; of an animation the first frame."""
    Image.MAX_IMAGE_PIXELS = None  # the limit below is stricter, and its sentence is for people
    try:
        with Image.open(io.BytesIO(data)) as opened:
            true = opened.size
            # JPEG is decoded at an eighth, a quarter or half of its size: then that is what takes memory.
            opened.draft("RGB", (edge, edge))
            if opened.size[0] * opened.size[1] > MAX_PIXELS:
                return NothingBlock(f"This picture is too large for a preview ({true[0]:,} × {true[1]:,} pixels).")
            # Made small in place and then turned: two whole pictures would need twice the memory.
            opened.thumbnail((edge, edge), Image.Resampling.LANCZOS, reducing_gap=2.0)
            decoded, small = opened.size, ImageOps.exif_transpose(opened)
            flat = flattened(small)
    except (OSError, ValueError, SyntaxError):  # what Pillow says of it is for programmers
        return NothingBlock("This image is damaged or of an unknown kind.")
    if small.size != decoded:
        true = true[1], true[0]
    return PictureBlock(flat.width, flat.height, flat.tobytes(), true[0], true[1])


def flattened(image: Image.Image) -> Image.Image:
    """`image` as RGB; see-through parts over a light chessboard."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        board = Image.new("RGBA", image.size, (255, 255, 255, 255))
        square = Image.new("RGBA", (_CHECK, _CHECK), (232, 234, 238, 255))
        for y in range(0, image.height, _CHECK):
            for x in range((y // _CHECK % 2) * _CHECK, image.width, 2 * _CHECK):
                board.paste(square, (x, y))
        board.alpha_composite(image)
        return board.convert("RGB")
    return image.convert("RGB")


def pdf(data: bytes, page: int, edge: int) -> PictureBlock | NothingBlock:
    """One page of a PDF, `page` from 0."""
    import pypdfium2  # type: ignore[import-untyped]  # has no stubs

    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        locked = "password" in str(error).lower()
        return NothingBlock("This PDF asks for a password." if locked else "This PDF is damaged or of an unknown kind.")
    try:
        pages = len(document)
        if pages == 0:
            return NothingBlock("This PDF has no pages.")
        sheet = document[min(page, pages - 1)]
        width, height = sheet.get_size()
        scale = edge / max(width, height, 1.0)
        image = sheet.render(scale=scale, may_draw_forms=False).to_pil().convert("RGB")
        image.thumbnail((edge, edge))
        return PictureBlock(
            image.width, image.height, image.tobytes(), round(width), round(height), min(page, pages - 1), pages
        )
    except pypdfium2.PdfiumError:
        return NothingBlock("This page is damaged.")
    finally:
        document.close()
