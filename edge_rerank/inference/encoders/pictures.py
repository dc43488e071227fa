"""Decoding of pictures: whatever an item carries as red, green and blue, no larger than is read.

Files are decoded by pillow, in the formats that browsers show; of an animation the first frame, as
it would be seen: turned the way up that its EXIF data say, on white where it is transparent. What
a file would take to decode is bounded by its head, before anything of it is.
"""

from __future__ import annotations

import struct
import threading
import warnings
from collections.abc import Iterator
from importlib import import_module
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edge_rerank._media import MAX_PIXELS, Picture
from edge_rerank.errors import InvalidItem, MissingExtra
from edge_rerank.inference.encoders.media_files import opened
from edge_rerank.packs.specs import MAX_SIDE

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP")
"""What is decoded: few decoders, each of them much used."""

_PLUGINS = ("Jpeg", "Png", "Gif", "WebP", "Bmp")

MAX_FILE_BYTES = 32 << 20

MAX_DECODED_BYTES = 160 << 20
"""What a file may take to decode beside its own bytes: :data:`MAX_PIXELS` at four bytes each."""

_WEBP_BYTES = 16
"""A pixel: the library's two canvases, a copy, and pillow's own."""

_COEFFICIENT_BYTES = 2
"""A pixel and channel of a progressive JPEG, all of which are held until the last scan is read."""

_STRIP_PIXELS = 1 << 18

_ORIENTATION = 0x0112
_WIDE = {"I", "I;16", "I;16B", "I;16L", "I;16N"}

_QUIET = threading.Lock()
"""Held while pillow's warnings are put off: filters are the whole process's."""


def pixels_of(picture: Picture) -> NDArray[np.uint8]:
    """A picture as a model takes it, uint8 of shape (height, width, 3), each side at most 1,024.

    What is larger is reduced by means over boxes of a whole number of pixels.

    Raises:
        InvalidItem: when a file cannot be read, is none of :data:`FORMATS`, is cut short or
            damaged, or is larger than is safe.
        MissingExtra: when it takes pillow, which is not installed.
    """
    if isinstance(picture, np.ndarray):
        return reduced(picture, _factor(picture.shape[1], picture.shape[0]))
    with opened(picture, "image") as stream:
        raw = stream.read(MAX_FILE_BYTES + 1)
    if len(raw) > MAX_FILE_BYTES:
        raise InvalidItem(f"image: expected at most {MAX_FILE_BYTES >> 20} MiB, got more")
    return _decoded(raw)


def _decoded(raw: bytes) -> NDArray[np.uint8]:
    try:
        from PIL import Image, UnidentifiedImageError  # noqa: PLC0415 - an extra

        for plugin in _PLUGINS:  # those alone: each file format that there is takes 0.1 s
            import_module(f"PIL.{plugin}ImagePlugin")
    except ImportError:
        raise MissingExtra('pip install "edge-rerank[images]"') from None
    _check_webp(raw)
    try:
        with _QUIET, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(BytesIO(raw), formats=FORMATS) as image:
                _check_size(image.width, image.height)
                return _pixels(image)
    except InvalidItem:
        raise
    except UnidentifiedImageError:
        wanted = "a JPEG, PNG, GIF, WebP or BMP"
        raise InvalidItem(f"image: expected {wanted}, got bytes of something else") from None
    except Image.DecompressionBombError:
        raise InvalidItem(f"image: expected at most {MAX_PIXELS:,} pixels, got more") from None
    except Exception as error:
        came = type(error).__name__
        raise InvalidItem(
            f"image: expected a whole file, got one cut or damaged ({came})"
        ) from None


def _check_size(width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise InvalidItem("image: expected at least one pixel, got none")
    if width * height > MAX_PIXELS:
        raise InvalidItem(f"image: expected at most {MAX_PIXELS:,} pixels, got more")


def _check_bytes(count: int) -> None:
    if count > MAX_DECODED_BYTES:
        most = f"{MAX_DECODED_BYTES >> 20} MiB"
        raise InvalidItem(f"image: expected one that takes at most {most} to decode, got more")


def _check_webp(raw: bytes) -> None:
    """Bound a WebP by its head: its decoder takes its memory when it is opened.

    The layout is that of RFC 9649: of a VP8X chunk the canvas, else the frame's own size.
    """
    if raw[:4] != b"RIFF" or raw[8:12] != b"WEBP":
        return
    kind, at = raw[12:16], 20
    if len(raw) < at + 10:
        raise InvalidItem("image: expected a whole file, got one cut or damaged (WebP)")
    if kind == b"VP8X":
        sides = [
            int.from_bytes(raw[at + 4 + 3 * one : at + 7 + 3 * one], "little") + 1 for one in (0, 1)
        ]
    elif kind == b"VP8L":
        bits = int.from_bytes(raw[at + 1 : at + 5], "little")
        sides = [(bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1]
    else:
        sides = [side & 0x3FFF for side in struct.unpack_from("<HH", raw, at + 6)]
    _check_size(*sides)
    _check_bytes(sides[0] * sides[1] * _WEBP_BYTES)


def _pixels(image: Image) -> NDArray[np.uint8]:
    turned = _orientation(image)
    factor = _factor(*image.size)
    if image.format in {"JPEG", "MPO"}:
        if image.info.get("progressive"):
            count = image.width * image.height * len(image.getbands())
            _check_bytes(count * _COEFFICIENT_BYTES)
        # The decoder's own reduction, by 2, 4 or 8, of which at least what is wanted is left.
        image.draft(None, (-(-image.width // factor), -(-image.height // factor)))
        factor = _factor(*image.size)
    image.load()
    parts = [_reduced_strip(_colours(strip), factor) for strip in _strips(image, factor)]
    return _turned(np.concatenate(parts), turned)


def _strips(image: Image, factor: int) -> Iterator[Image]:
    """The picture from above, in parts of whole boxes, so that no second one is made of it."""
    rows = max(_STRIP_PIXELS // image.width // factor, 1) * factor
    for top in range(0, image.height, rows):
        yield image.crop((0, top, image.width, min(top + rows, image.height)))


def _colours(image: Image) -> NDArray[np.uint8]:
    """A part as red, green and blue, on white; of 16 bits the upper eight."""
    if image.mode in _WIDE:
        grey = np.asarray(image).astype(np.int64)
        return _grey((grey.clip(0, 0xFFFF) >> 8).astype(np.uint8))
    if image.mode == "F":
        return _grey(np.nan_to_num(np.asarray(image)).clip(0, 255).astype(np.uint8))
    if not image.has_transparency_data:
        return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
    layers = np.asarray(image.convert("RGBA")).astype(np.uint32)
    alpha = layers[..., 3:]
    return ((layers[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def _grey(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.repeat(values[..., None], 3, axis=2)


def _orientation(image: Image) -> int:
    """How the camera was held, 1 to 8 (EXIF 2.32, tag 274); 1 where it is not said."""
    try:
        told: Any = image.getexif().get(_ORIENTATION, 1)
    except Exception:
        return 1
    return told if isinstance(told, int) and 1 <= told <= 8 else 1


def _turned(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    rows, columns = _FLIPS[orientation]
    return np.ascontiguousarray(pixels[::rows, ::columns])


_FLIPS = {
    1: (1, 1),
    2: (1, -1),
    3: (-1, -1),
    4: (-1, 1),
    5: (1, 1),
    6: (1, -1),
    7: (-1, -1),
    8: (-1, 1),
}
"""Steps along rows and columns by orientation, after rows and columns were swapped from 5 on."""


def _factor(width: int, height: int) -> int:
    return -(-max(width, height) // MAX_SIDE)


def reduced(pixels: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Means over boxes of ``factor`` x ``factor`` pixels, at far edges of what is there.

    Args:
        pixels: uint8 of shape (height, width, 3).
        factor: 1 or more.

    Returns:
        uint8 of shape (height / factor, width / factor, 3), both rounded up.
    """
    if factor == 1:
        return np.ascontiguousarray(pixels)
    rows = max(_STRIP_PIXELS // pixels.shape[1] // factor, 1) * factor
    tops = range(0, len(pixels), rows)
    return np.concatenate([_reduced_strip(pixels[top : top + rows], factor) for top in tops])


def _reduced_strip(pixels: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    if factor == 1:
        return pixels
    height, width = pixels.shape[:2]
    rows, columns = np.arange(0, height, factor), np.arange(0, width, factor)
    sums = np.add.reduceat(pixels, rows, axis=0, dtype=np.uint32)
    sums = np.add.reduceat(sums, columns, axis=1)
    high = np.minimum(rows + factor, height) - rows
    wide = np.minimum(columns + factor, width) - columns
    counts = (high[:, None] * wide)[..., None].astype(np.uint32)
    return ((sums + counts // 2) // counts).astype(np.uint8)
