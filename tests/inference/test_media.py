"""Pictures and sounds: decoded right or refused by a typed error, whatever a file holds."""

from __future__ import annotations

import base64
import os
import struct
import subprocess
import sys
import warnings
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_rerank._media import MAX_PIXELS
from edge_rerank.errors import EdgeRerankError, InvalidItem, MissingExtra
from edge_rerank.inference.encoders.audio import AudioEncoder
from edge_rerank.inference.encoders.image import ImageEncoder
from edge_rerank.inference.encoders.media_files import media_key
from edge_rerank.inference.encoders.pictures import pixels_of, reduced
from edge_rerank.inference.encoders.sounds import samples_of
from edge_rerank.packs.pack import Pack
from edge_rerank.packs.specs import MAX_SIDE
from edge_rerank.types import Item
from tests.packs.media_packs import write_media_pack

images = pytest.mark.skipif(
    not __import__("importlib.util").util.find_spec("PIL"), reason="pillow is not installed"
)
sounds = pytest.mark.skipif(
    not __import__("importlib.util").util.find_spec("soundfile"),
    reason="soundfile is not installed",
)


def scene(height: int, width: int, channels: int = 3) -> NDArray[np.uint8]:
    """Soft colours, different in each corner."""
    rows, columns = np.mgrid[0:height, 0:width] / [[[max(height, 1)]], [[max(width, 1)]]]
    layers = [255 * rows, 255 * columns, 128 * (rows + columns), 255 - 100 * rows][:channels]
    return np.stack(layers, axis=-1).astype(np.uint8)


def saved(image: Any, kind: str, **options: Any) -> bytes:
    stream = BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def png(height: int, width: int, *, claimed: tuple[int, int] | None = None, bits: int = 8) -> bytes:
    """A PNG made by hand, which may claim another size than it has."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    rows = b"".join(b"\0" + bytes(width * bits // 8) for _ in range(height))
    tall, wide = claimed or (height, width)
    head = struct.pack(">IIBBBBB", wide, tall, bits, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows, 9))
        + chunk(b"IEND", b"")
    )


def webp_claiming(width: int, height: int, kind: bytes = b"VP8X") -> bytes:
    if kind == b"VP8X":
        body = bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    elif kind == b"VP8L":
        body = b"\x2f" + ((width - 1) | (height - 1) << 14).to_bytes(4, "little") + bytes(5)
    else:
        body = bytes(3) + b"\x9d\x01\x2a" + struct.pack("<HH", width, height)
    chunk = kind + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(chunk) + 4) + b"WEBP" + chunk


def test_arrays_need_no_extra_and_are_reduced_by_means_over_boxes() -> None:
    small = scene(300, 200)
    assert (pixels_of(small) == small).all()
    large = scene(2_500, 1_100)
    made = pixels_of(large)
    assert made.shape == (834, 367, 3)
    assert max(made.shape) <= MAX_SIDE
    box = large[3:6, 6:9].astype(np.float64).mean(axis=(0, 1))
    assert np.abs(made[1, 2] - box).max() <= 0.5
    corner = large[2_499:, 1_098:].astype(np.float64).mean(axis=(0, 1))
    assert np.abs(made[-1, -1] - corner).max() <= 0.5


def test_parts_of_boxes_are_means_of_what_is_there() -> None:
    pixels = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)
    made = reduced(pixels, 3)
    assert made.shape == (2, 3, 3)
    assert made[1, 2].tolist() == (pixels[3:, 6:].mean(axis=(0, 1)) + 0.5).astype(int).tolist()


def _in_mode(mode: str) -> Any:
    from PIL import Image

    picture = Image.fromarray(scene(40, 60))
    return picture.convert(mode)


RIGHT: dict[str, tuple[Callable[[], bytes], float]] = {
    "JPEG": (lambda: saved(_in_mode("RGB"), "JPEG", quality=95), 6),
    "progressive JPEG": (lambda: saved(_in_mode("RGB"), "JPEG", quality=95, progressive=True), 6),
    "CMYK": (lambda: saved(_in_mode("CMYK"), "JPEG", quality=98), 12),
    "PNG": (lambda: saved(_in_mode("RGB"), "PNG"), 0),
    "alpha": (lambda: saved(_in_mode("RGBA"), "PNG"), 0),
    "WebP": (lambda: saved(_in_mode("RGB"), "WEBP", lossless=True), 0),
    "BMP": (lambda: saved(_in_mode("RGB"), "BMP"), 0),
    "GIF": (lambda: saved(_in_mode("RGB"), "GIF"), 40),
    "palette": (lambda: saved(_in_mode("P"), "PNG"), 60),
}


@images
@pytest.mark.parametrize("kind", RIGHT)
def test_a_file_is_what_it_shows(kind: str) -> None:
    make, most = RIGHT[kind]
    made = pixels_of(make()).astype(int)
    assert made.shape == (40, 60, 3)
    assert np.abs(made - scene(40, 60)).max() <= most


@images
def test_grey_sixteen_bits_and_one_bit() -> None:
    from PIL import Image

    grey = scene(40, 60)[..., 0]
    for raw in (
        saved(Image.fromarray(grey), "PNG"),
        saved(Image.fromarray(grey.astype(np.uint16) * 257), "PNG"),
        saved(Image.fromarray(grey).convert("LA"), "PNG"),
    ):
        assert (pixels_of(raw) == grey[..., None]).all()
    assert {*np.unique(pixels_of(saved(_in_mode("1"), "PNG")))} == {0, 255}


@images
def test_what_is_transparent_is_white_and_half_of_it_is_half() -> None:
    from PIL import Image

    layers = np.zeros((4, 4, 4), np.uint8)
    layers[:2, :, 3] = 255
    layers[2, :, 3] = 128
    made = pixels_of(saved(Image.fromarray(layers, "RGBA"), "PNG"))
    assert made[:, 0, 0].tolist() == [0, 0, 127, 255]
    clear = Image.fromarray(np.zeros((4, 4), np.uint8), "P")
    clear.putpalette([10, 20, 30] * 256)
    assert (pixels_of(saved(clear, "PNG", transparency=0)) == 255).all()


@images
def test_of_an_animation_the_first_frame_is_looked_at() -> None:
    from PIL import Image

    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "green")]
    for kind in ("GIF", "WEBP", "PNG"):
        raw = saved(frames[0], kind, save_all=True, append_images=frames[1:])
        red, green, blue = pixels_of(raw)[4, 4].tolist()
        assert red > 200 > 60 > max(green, blue), kind


@images
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_camera_that_was_turned_is_turned_back(orientation: int) -> None:
    from PIL import Image, ImageOps

    image = Image.fromarray(scene(40, 60))
    exif = image.getexif()
    exif[0x0112] = orientation
    raw = saved(image, "PNG", exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(BytesIO(raw))))
    made = pixels_of(raw)
    assert made.shape == expected.shape
    assert (made == expected).all()


@images
def test_a_large_jpeg_is_reduced_as_it_is_decoded() -> None:
    from PIL import Image

    large = scene(3_000, 4_100)
    made = pixels_of(saved(Image.fromarray(large), "JPEG", quality=92))
    assert max(made.shape) <= MAX_SIDE
    expected = np.asarray(
        Image.fromarray(large).resize((made.shape[1], made.shape[0]), Image.Resampling.BOX)
    )
    assert np.abs(made.astype(int) - expected).mean() < 2


@images
def test_reduced_files_are_the_bits_of_reduced_arrays() -> None:
    from PIL import Image

    large = scene(1_500, 2_300)
    assert (pixels_of(saved(Image.fromarray(large), "PNG")) == pixels_of(large)).all()


WRONG: dict[str, tuple[Callable[[], bytes], str]] = {
    "text": (lambda: b"private words, not a picture", "something else"),
    "a page": (lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>", "something else"),
    "a PDF": (lambda: b"%PDF-1.4\n%secret", "something else"),
    "a head alone": (lambda: saved(_in_mode("RGB"), "PNG")[:40], "else|cut or damaged"),
    "half a JPEG": (lambda: saved(_in_mode("RGB"), "JPEG")[:500], "cut or damaged"),
    "half a PNG": (lambda: saved(_in_mode("RGB"), "PNG")[:200], "cut or damaged"),
    "half a GIF": (lambda: saved(_in_mode("RGB"), "GIF")[:900], "cut or damaged"),
    "half a WebP": (lambda: saved(_in_mode("RGB"), "WEBP")[:60], "cut or damaged"),
    "a WebP's head": (lambda: b"RIFF\x10\0\0\0WEBPVP8X", "cut or damaged"),
    "a size of none": (lambda: png(1, 1, claimed=(0, 5)), "no|none|damaged|something else"),
    "a size that is claimed": (lambda: png(1, 1, claimed=(50_000, 50_000)), "40,000,000 pixels"),
    "a larger one": (lambda: png(1, 1, claimed=(2**31 - 1, 2**31 - 1)), "40,000,000 pixels"),
    "just too many": (lambda: png(1, 1, claimed=(8_001, 5_000)), "40,000,000 pixels"),
    "more than there is": (lambda: png(10, 10, claimed=(6_000, 6_000)), "cut or damaged"),
    "a canvas": (lambda: webp_claiming(16_384, 16_384), "40,000,000 pixels"),
    "a canvas of 20 million": (lambda: webp_claiming(5_000, 4_000), "160 MiB"),
    "a lossless one": (lambda: webp_claiming(5_000, 4_000, b"VP8L"), "160 MiB"),
    "a lossy one": (lambda: webp_claiming(5_000, 4_000, b"VP8 "), "160 MiB"),
    "nothing in a frame": (lambda: webp_claiming(10, 10), "cut or damaged|something else"),
}


@images
@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_picture_is_refused_with_a_word(case: str) -> None:
    make, reason = WRONG[case]
    with pytest.raises(InvalidItem, match=reason) as raised:
        pixels_of(make())
    assert "private" not in str(raised.value)
    assert "secret" not in str(raised.value)


@images
def test_damage_gives_a_picture_or_a_typed_error_and_no_warning() -> None:
    rng = np.random.default_rng(0)
    kinds = ["JPEG", "PNG", "GIF", "WEBP", "BMP"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for turn in range(250):
            raw = bytearray(saved(_in_mode("RGB"), kinds[turn % len(kinds)]))
            for _ in range(int(rng.integers(1, 8))):
                raw[int(rng.integers(len(raw)))] = int(rng.integers(256))
            try:
                made = pixels_of(bytes(raw[: int(rng.integers(20, len(raw) + 1))]))
            except InvalidItem:
                continue
            assert made.dtype == np.uint8
            assert made.shape[2] == 3


@images
def test_files_are_read_by_path_and_no_other_thing_is(tmp_path: Path) -> None:
    path = tmp_path / "private name.png"
    path.write_bytes(saved(_in_mode("RGB"), "PNG"))
    assert (pixels_of(path) == scene(40, 60)).all()
    os.mkfifo(tmp_path / "private pipe")
    for name in ("private pipe", ".", "private absent"):
        with pytest.raises(InvalidItem, match=r"expected a (regular )?file") as raised:
            pixels_of(tmp_path / name)
        assert "private" not in str(raised.value)


_PEAK = """
import sys
from pathlib import Path
from tests.peak import peak_mib
from edge_rerank.errors import InvalidItem
from edge_rerank.inference.encoders.pictures import pixels_of
import PIL.Image, PIL.PngImagePlugin, PIL.JpegImagePlugin, PIL.WebPImagePlugin
before = peak_mib()
try:
    pixels_of(Path(sys.argv[1]))
except InvalidItem:
    pass
print(peak_mib() - before)
"""


@images
@pytest.mark.parametrize("kind", ["grey", "alpha", "progressive JPEG", "WebP"])
def test_the_largest_pictures_take_at_most_200_mib(kind: str, tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "large"
    if kind == "grey":
        path.write_bytes(png(5_000, 8_000, bits=16))
    elif kind == "alpha":
        path.write_bytes(saved(Image.new("RGBA", (8_000, 5_000)), "PNG", compress_level=1))
    elif kind == "WebP":
        path.write_bytes(saved(Image.new("RGB", (3_200, 3_200)), "WEBP", method=0))
    else:
        image = Image.new("RGB", (5_100, 5_100), "teal")
        path.write_bytes(saved(image, "JPEG", progressive=True, subsampling=0))
    done = subprocess.run(
        [sys.executable, "-c", _PEAK, str(path)], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) <= 200


def test_what_an_item_takes_and_keeps() -> None:
    pixels = scene(4, 5)
    item = Item("a", image=pixels)
    pixels[:] = 0
    assert isinstance(item.image, np.ndarray)
    assert item.image.any()
    assert not item.image.flags.writeable
    assert Item("a", image=item.image).image is item.image
    assert Item("a", image="shelf/a.png").image == Path("shelf/a.png")
    assert Item("a", image=Path("http:") / "x").image == Path("http:/x")
    raw = base64.b64encode(b"content").decode()
    assert Item("a", image=f"data:image/png;base64,{raw}").image == b"content"
    assert Item("a", audio="data:,a%20b").audio == b"a b"
    samples, rate = np.ones(3, np.float32), np.int64(8_000)
    heard = Item("a", audio=(samples, rate)).audio  # type: ignore[arg-type]
    assert isinstance(heard, tuple)
    assert heard[1] == 8_000
    assert item == Item("a")
    assert hash(item) == hash(Item("a"))
    assert "image" not in repr(item)


REFUSED: dict[str, dict[str, Any]] = {
    "an address": {"image": "https://example.org/private.png"},
    "an address of a file": {"audio": "file:///private"},
    "another address": {"image": "HTTP:private"},
    "a number": {"image": 7},
    "no bytes": {"image": b""},
    "an empty URL": {"audio": "data:,"},
    "no base64": {"image": "data:image/png;base64,private!"},
    "floats": {"image": np.zeros((2, 2, 3))},
    "grey": {"image": np.zeros((2, 2), np.uint8)},
    "no pixel": {"image": np.zeros((0, 2, 3), np.uint8)},
    "four layers": {"image": np.zeros((2, 2, 4), np.uint8)},
    "samples without a rate": {"audio": np.zeros(5, np.float32)},
    "a triple": {"audio": (np.zeros(5, np.float32), 8_000, 1)},
    "two channels": {"audio": (np.zeros((5, 2), np.float32), 8_000)},
    "doubles": {"audio": (np.zeros(5), 8_000)},
    "no sample": {"audio": (np.zeros(0, np.float32), 8_000)},
    "no number": {"audio": (np.array([np.nan], np.float32), 8_000)},
    "a slow rate": {"audio": (np.zeros(5, np.float32), 3_999)},
    "a rate that is no whole number": {"audio": (np.zeros(5, np.float32), 8_000.0)},
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_an_item_does_not_take(case: str) -> None:
    with pytest.raises(InvalidItem, match="expected") as raised:
        Item("a", **REFUSED[case])
    assert "private" not in str(raised.value)


def test_a_picture_of_too_many_pixels_is_refused_as_an_array() -> None:
    wide = np.broadcast_to(np.zeros(3, np.uint8), (MAX_PIXELS // 1_000 + 1, 1_000, 3))
    with pytest.raises(InvalidItem, match="40,000,000 pixels"):
        Item("a", image=wide)


def test_without_the_extra_an_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(MissingExtra, match=r"edge-rerank\[images\]"):
        pixels_of(b"anything")
    with pytest.raises(MissingExtra, match=r"edge-rerank\[audio\]"):
        samples_of(b"anything", 1)


def wave(seconds: float, rate: int, channels: int = 1, *, kind: str = "WAV", **more: Any) -> bytes:
    import soundfile

    times = np.arange(int(seconds * rate)) / rate
    tone = 0.5 * np.sin(2 * np.pi * 440 * times)
    stream = BytesIO()
    layers = np.stack([tone * (1 + at) / channels for at in range(channels)], axis=1)
    soundfile.write(stream, layers, rate, format=kind, **more)
    return stream.getvalue()


@sounds
@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3"])
@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_a_sound_is_what_is_heard(kind: str, rate: int) -> None:
    samples, found = samples_of(wave(1.0, rate, kind=kind), 10)
    assert found == rate
    assert samples.dtype == np.float32
    assert 0.9 <= len(samples) / rate <= 1.2
    assert 0.4 < np.abs(samples).max() < 0.6


@sounds
def test_channels_are_their_mean_and_no_more_is_read_than_is_heard() -> None:
    samples, rate = samples_of(wave(30.0, 8_000, channels=2), 2)
    assert (len(samples), rate) == (16_000, 8_000)
    one, _ = samples_of(wave(2.0, 8_000), 2)
    assert np.abs(samples - 0.75 * one).max() < 1e-3


def test_of_an_array_the_first_seconds_are_heard_within_bounds() -> None:
    samples, rate = samples_of((np.full(100_000, 3.0, np.float32), 4_000), 5)
    assert (len(samples), rate, samples.max()) == (20_000, 4_000, 1.0)


@sounds
def test_sounds_that_are_none_are_refused_with_a_word() -> None:
    import soundfile

    broken = np.ones(100)
    broken[3] = np.nan
    stream = BytesIO()
    soundfile.write(stream, broken, 8_000, format="WAV", subtype="FLOAT")
    cases = {
        b"private words": "something else",
        wave(0.0, 8_000): "at least one sample",
        stream.getvalue(): "finite",
        wave(0.1, 2_000): "4,000 to 192,000 Hz",
        wave(0.1, 8_000, channels=33): "32 channels",
        wave(0.5, 8_000)[:30]: "something else|at least one",
    }
    for raw, reason in cases.items():
        with pytest.raises(InvalidItem, match=reason) as raised:
            samples_of(raw, 5)
        assert "private" not in str(raised.value)


@sounds
def test_what_is_left_of_a_sound_that_was_cut_is_heard() -> None:
    samples, _ = samples_of(wave(1.0, 8_000)[:4_044], 5)
    assert len(samples) == 2_000


@sounds
def test_damaged_sounds_give_samples_or_a_typed_error() -> None:
    rng = np.random.default_rng(0)
    whole = [wave(0.2, 8_000, kind=kind) for kind in ("WAV", "FLAC", "OGG")]
    for turn in range(150):
        raw = bytearray(whole[turn % 3])
        for _ in range(int(rng.integers(1, 6))):
            raw[int(rng.integers(min(len(raw), 200)))] = int(rng.integers(256))
        try:
            samples, rate = samples_of(bytes(raw), 1)
        except InvalidItem:
            continue
        assert np.isfinite(samples).all()
        assert len(samples) <= rate


def test_keys_are_of_what_is_in_a_thing(tmp_path: Path) -> None:
    pixels = scene(4, 6)
    path = tmp_path / "a"
    path.write_bytes(b"one")
    first = media_key(path)
    keys = [
        media_key(pixels),
        media_key(pixels.reshape(6, 4, 3)),
        media_key(pixels.tobytes()),
        media_key((np.zeros(4, np.float32), 8_000)),
        media_key((np.zeros(4, np.float32), 16_000)),
        first,
    ]
    assert len({*keys}) == len(keys)
    assert {len(key) for key in keys} == {16}
    assert media_key(pixels[:, ::-1][:, ::-1]) == keys[0]
    path.write_bytes(b"another")
    assert media_key(path) != first
    with pytest.raises(InvalidItem, match="can be read"):
        media_key(tmp_path / "absent")


def test_encoders_make_unit_vectors_of_any_size(tmp_path: Path) -> None:
    pack = Pack.open(write_media_pack(tmp_path / "p"))
    encoder = ImageEncoder(pack)
    pictures = [scene(40, 60), scene(1, 1), scene(1, 900), scene(1_500, 20)]
    told: list[tuple[int, int]] = []
    vectors = encoder.encode(pictures, progress=lambda done, whole: told.append((done, whole)))
    assert vectors.shape == (4, 4)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert told[-1] == (4, 4)
    assert (encoder.encode(pictures[:1]) == vectors[:1]).all()
    ears = AudioEncoder(pack)
    rng = np.random.default_rng(0)
    heard = [
        (rng.uniform(-1, 1, n).astype(np.float32), rate)
        for n, rate in [(1, 4_000), (90_000, 192_000), (5_000, 22_050)]
    ]
    vectors = ears.encode(heard)
    assert vectors.shape == (3, 4)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_pack_without_the_part_is_told(tmp_path: Path) -> None:
    pack = Pack.open(write_media_pack(tmp_path / "p", sound=False))
    with pytest.raises(EdgeRerankError, match="no sound encoder"):
        AudioEncoder(pack)
    other = Pack.open(write_media_pack(tmp_path / "q", picture=False))
    with pytest.raises(EdgeRerankError, match="no picture encoder"):
        ImageEncoder(other)
