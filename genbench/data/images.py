"""Folders of pictures, read by Pillow, as 8-bit pictures of one size.

Grey stays one channel where every picture is grey; otherwise all are RGB. Palettes, CMYK and YCbCr
become RGB; what is transparent lies on white; 16-bit and floating pictures are refused. Pixels are
taken as stored, without the rotation that EXIF asks for, as FID tools do.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from genbench.data.folders import picture_files
from genbench.data.origin import Origin
from genbench.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

    from genbench.data.pixels import ArrayPictures

PIXEL_LIMIT = 64 * 2**20  # a picture, from its header: 8192 x 8192
SIDE_LIMIT = 8192  # of `size`
_FORMATS = ("BMP", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
_GREY = ("1", "L", "LA", "La")
_COLOUR = ("P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr")
_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")
_RESIZE = "bicubic with antialiasing (Pillow), both sides, no crop"


class Head(NamedTuple):
    """What a picture's header says."""

    width: int
    height: int
    grey: bool
    alpha: bool
    mode: str


class FolderPictures:
    """Every picture below a folder; see `folders.picture_files` for the order."""

    def __init__(self, origin: Origin, *, size: int | None) -> None:
        self._origin = origin
        self._files = picture_files(origin)
        self._size = size
        heads = [_head(origin.at(path)) for path in self._files]
        self._grey = all(head.grey for head in heads)
        width, height = _side(origin, self._files, heads, size)
        self.shape = (1 if self._grey else 3, height, width)
        self.conventions = _conventions(heads, grey=self._grey, size=size)
        self.tag = f"{self.conventions['decoder']} {self.conventions.get('size')}"

    def __len__(self) -> int:
        return len(self._files)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Pictures [start, stop): uint8 (n, C, H, W)."""
        pictures = np.empty((stop - start, *self.shape), np.uint8)
        for row, path in enumerate(self._files[start:stop]):
            pictures[row] = self._decoded(self._origin.at(path))
        return pictures

    def content(self, start: int, stop: int) -> Iterator[bytes]:
        """What a digest of pictures [start, stop) is taken of: each file's own SHA-256."""
        for path in self._files[start:stop]:
            with self._origin.at(path).reading(), path.open("rb") as file:
                yield hashlib.file_digest(file, "sha256").digest()

    def _decoded(self, origin: Origin) -> np.ndarray:
        """One file as uint8 (C, H, W)."""
        with _opened(origin) as image:
            _check_head(origin, image)
            image = _flat(image, "L" if self._grey else "RGB")
            if self._size is not None:
                image = _resize(image, self._size)
            pixels = np.asarray(image).reshape(*image.size[::-1], -1).transpose(2, 0, 1)
        if pixels.shape != self.shape:
            raise origin.fault(f"changed: was {self.shape}, is {pixels.shape}")
        return pixels


class Resized:
    """Pictures of an array, resized to size x size."""

    def __init__(self, pictures: ArrayPictures, size: int) -> None:
        self._pictures = pictures
        self._size = size
        self.shape = (pictures.shape[0], size, size)
        self.conventions = pictures.conventions | _resize_conventions(size)
        self.tag = f"{pictures.tag} {self.conventions['size']}"

    def __len__(self) -> int:
        return len(self._pictures)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Pictures [start, stop): uint8 (n, C, size, size)."""
        return resized(self._pictures.read(start, stop), self._size)

    def content(self, start: int, stop: int) -> Iterator[memoryview]:
        """As stored, before resizing."""
        return self._pictures.content(start, stop)


def resized(pictures: np.ndarray, size: int) -> np.ndarray:
    """Pictures (n, C, H, W) uint8 as (n, C, size, size): each channel, as folders are resized."""
    from PIL import Image

    found = np.empty((*pictures.shape[:2], size, size), np.uint8)
    for picture, target in zip(pictures, found, strict=True):
        for channel, plane in zip(picture, target, strict=True):
            plane[...] = _resize(Image.fromarray(channel), size)
    return found


def check_side(size: int | None, *, argument: str) -> None:
    """Raise InputError for a `size` that is no side of a picture."""
    whole = isinstance(size, int) and not isinstance(size, bool)
    if size is not None and not (whole and 1 <= size <= SIDE_LIMIT):
        raise InputError(f"size: must be 1 to {SIDE_LIMIT} pixels, got {size!r} for {argument}")


@contextmanager
def _opened(origin: Origin) -> Iterator[Image]:
    """A picture whose header is read; anything Pillow raises becomes an InputError."""
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of sizes that `_check_head` refuses, of odd EXIF
            with Image.open(origin.path, formats=_FORMATS) as image:
                yield image
    except InputError:
        raise
    except UnidentifiedImageError as error:
        raise origin.fault(f"is no picture: must be {', '.join(_FORMATS)}") from error
    except Image.DecompressionBombError as error:
        raise origin.fault(f"declares more than the {PIXEL_LIMIT} pixels that are read") from error
    except PermissionError as error:
        raise origin.fault(f"cannot be read: {error.strerror}") from error
    except Exception as error:  # damaged files make its plugins raise errors of every kind
        text = str(error) or type(error).__name__
        raise origin.fault(f"is a damaged picture: {text}") from error


def _head(origin: Origin) -> Head:
    with _opened(origin) as image:
        _check_head(origin, image)
        alpha = image.mode in _ALPHA or "transparency" in image.info
        return Head(*image.size, image.mode in _GREY, alpha, image.mode)


def _check_head(origin: Origin, image: Image) -> None:
    """Raise InputError for a picture that is refused; nothing of it is unpacked yet."""
    width, height = image.size
    if width * height > PIXEL_LIMIT:
        raise origin.fault(f"declares {width} x {height} pixels, at most {PIXEL_LIMIT} are read")
    if image.mode not in _GREY + _COLOUR or ";16" in str(getattr(image, "tile", "")):
        mode = image.mode if image.mode not in _COLOUR else f"{image.mode} of 16 bits"
        raise origin.fault(f"must have 8 bits a channel, got mode {mode}: convert it to 8 bits")
    if _has_frames(image):
        raise origin.fault("must hold one picture, got several frames")


def _has_frames(image: Image) -> bool:
    """Whether more pictures follow; a camera's JPEG with its preview behind it (MPO) is one."""
    if image.format != "TIFF":
        return getattr(image, "n_frames", 1) > 1 and image.format != "MPO"
    try:
        image.seek(1)  # n_frames would walk the whole chain, in quadratic time
    except EOFError:
        return False
    return True


def _flat(image: Image, mode: str) -> Image:
    """`image` in mode "L" or "RGB", what is transparent on white."""
    from PIL import Image as pil

    if image.mode in _ALPHA or "transparency" in image.info:
        image = image.convert("RGBA")
        white = pil.new("RGBA", image.size, "white")
        image = pil.alpha_composite(white, image)
    return image.convert(mode)


def _resize(image: Image, size: int) -> Image:
    from PIL.Image import Resampling

    return image if image.size == (size, size) else image.resize((size, size), Resampling.BICUBIC)


def _side(
    origin: Origin, files: list[Path], heads: list[Head], size: int | None
) -> tuple[int, int]:
    """Width and height of every picture; raises InputError that names the first two that differ."""
    if size is not None:
        return size, size
    first = heads[0]
    for path, head in zip(files, heads, strict=True):
        if head[:2] != first[:2]:
            raise origin.fault(
                f"must hold pictures of one size, got {files[0].relative_to(origin.path)} of "
                f"{first.width} x {first.height} and {path.relative_to(origin.path)} of "
                f"{head.width} x {head.height} (width x height): --size N resizes all to N x N"
            )
    return first.width, first.height


def _conventions(heads: list[Head], *, grey: bool, size: int | None) -> dict[str, str]:
    import PIL

    found = {
        "decoder": f"Pillow {PIL.__version__}, pixels as stored (EXIF rotation ignored)",
        "channels": "grey" if grey else "RGB",
    }
    n_grey = sum(head.grey for head in heads)
    if n_grey and not grey:
        found["channels"] = f"RGB; {n_grey} of {len(heads)} are grey, repeated in three channels"
    n_alpha = sum(head.alpha for head in heads)
    if n_alpha:
        found["alpha"] = f"{n_alpha} of {len(heads)} have one: laid on white"
    n_cmyk = sum(head.mode == "CMYK" for head in heads)
    if n_cmyk:
        found["CMYK"] = f"{n_cmyk} of {len(heads)}: to RGB without a colour profile"
    return found | (_resize_conventions(size) if size is not None else {})


def _resize_conventions(size: int) -> dict[str, str]:
    return {"size": f"{size} x {size}, {_RESIZE}"}
