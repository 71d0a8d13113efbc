"""Damaged image files: whatever is in them, decoding gives an image or refuses in one line."""

import io
import os

import numpy as np
import pytest
from PIL import Image

from hostile import bounded
from tsniqa.errors import DataError
from tsniqa.pixels import decode

pytestmark = pytest.mark.filterwarnings("ignore")  # Pillow's, of damaged tags

FORMATS = (
    "PNG", "JPEG", "WEBP", "AVIF", "GIF", "TIFF", "BMP", "JPEG2000", "ICO", "TGA", "PPM", "PCX",
    "SGI", "DDS", "QOI", "ICNS", "MPO", "IM", "SPIDER", "BLP", "XBM",
)  # fmt: skip


def samples():
    """Return small files of every format and pixel mode that Pillow writes here."""
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8))
    found = []
    for form in FORMATS:
        for mode in ("RGB", "L", "P", "RGBA", "1", "CMYK"):
            buffer = io.BytesIO()
            try:
                image.convert(mode).save(buffer, form)
            except (OSError, ValueError, KeyError):  # it has no such mode, or a codec is missing
                continue
            found.append(buffer.getvalue())
    return found


def damaged(content, random):
    """Change, remove or insert some bytes, or cut the file."""
    content = bytearray(content)
    for _ in range(random.choice([1, 2, 5, 20])):
        place, kind = random.integers(len(content)), random.random()
        if kind < 0.6:
            content[place] = random.integers(256)
        elif kind < 0.8:
            content[place:place] = random.bytes(random.integers(1, 9))
        elif len(content) > 1:
            del content[max(1, place) :]
    return bytes(content)


def try_damaged(path, seeds):
    files = samples()
    assert len(files) > 40
    outcomes = set()
    for seed in seeds:
        random = np.random.default_rng(seed)
        path.write_bytes(damaged(files[random.integers(len(files))], random))
        try:
            with bounded():
                pixels = decode(path)
            assert (pixels.dtype, pixels.shape[2]) == (np.uint8, 3)
            outcomes.add("decoded")
        except DataError as error:
            assert "\n" not in str(error)
            outcomes.add("refused")
    assert outcomes == {"decoded", "refused"}


def test_a_damaged_file_is_decoded_or_refused_in_one_line(tmp_path):
    try_damaged(tmp_path / "image", range(400))


@pytest.mark.slow
def test_many_damaged_files_are_decoded_or_refused_in_one_line(tmp_path):
    try_damaged(tmp_path / "image", range(400, 6_400))


def test_what_names_a_program_is_refused(tmp_path):
    (tmp_path / "page.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EOF\n")
    with pytest.raises(DataError, match="is PostScript"):
        decode(tmp_path / "page.png")


@pytest.mark.parametrize("make", [os.mkdir, getattr(os, "mkfifo", None)])
def test_a_folder_or_a_pipe_that_is_named_like_an_image_is_refused(tmp_path, make):
    if make is None:
        pytest.skip("this system has no pipes in folders")
    make(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"a\.png is a folder, a pipe or a device; name a file"):
        decode(tmp_path / "a.png")
