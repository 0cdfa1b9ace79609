"""Extractors of your own: a program of torch.export, a genbench folder, or TorchScript on trust."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from genbench.errors import InputError
from genbench.metrics.extractors.archive import BROKEN, Input, NotPlain, read_program
from genbench.metrics.extractors.contract import (
    Extracted,
    check_device,
    check_images,
    digest_of,
    one_line,
)
from genbench.metrics.extractors.digits import Digits
from genbench.metrics.extractors.graph import Graph
from genbench.metrics.extractors.pictures import GREY, RESIZE, grey, resized

_BLOCK = 64  # images at a time where the program takes any number
_ANY = Input((None, None, None, None), torch.float32)  # TorchScript does not say what it takes
_WANTED = "must be a program of torch.export (.pt2) or a folder with config.json and safetensors"


class Program:
    """Images (B, 1 or 3, H, W) uint8 -> what somebody's network makes of them.

    The network gets (B, C, H, W): floating in [0, 1], or uint8 where it was exported so; with the
    channels and the size that it was exported for; and gives features (B, d), or features and
    logits (B, classes). Normalising pixels is its own affair.
    """

    def __init__(
        self, path: Path, run: Callable[[Tensor], Any], takes: Input, *, device: torch.device
    ) -> None:
        self.name, self.run, self.takes, self.device = path.name, run, takes, device
        if len(takes.sizes) != 4 or takes.sizes[1] not in (1, 3, None):
            raise InputError(
                f"features: '{path}' must take (B, 1 or 3, H, W), got {_shape(takes.sizes)}"
            )
        if not takes.dtype.is_floating_point and takes.dtype != torch.uint8:
            raise InputError(f"features: '{path}' must take floats or uint8, got {takes.dtype}")
        self.conventions = {
            "layer": "what the file returns; classes: softmax of its second output",
            "input": f"{_shape(takes.sizes)} {takes.dtype}"
            + (" in [0, 1]" if takes.dtype.is_floating_point else ""),
            "grey": f"one channel is repeated; three: {GREY}",
            "resize": "none" if takes.sizes[2:] == (None, None) else RESIZE,
            "weights_sha256": _sha256(path),
        }
        self.digest = digest_of(self.conventions)

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Extracted:
        """Raises InputError for other images, and where the network fails or gives another shape.

        The width is known from an output alone: no images give features (0, 0).
        """
        check_images(images)
        if len(images) == 0:
            return Extracted(torch.empty(0, 0), None)
        parts = [self._block(part) for part in images.split(self.takes.sizes[0] or _BLOCK)]
        features = torch.cat([part.features for part in parts])
        if parts[0].probabilities is None:
            return Extracted(features, None)
        return Extracted(features, torch.cat([part.probabilities for part in parts]))  # type: ignore[arg-type]

    def _block(self, images: Tensor) -> Extracted:
        x = self._prepared(images.to(self.device))
        missing = (self.takes.sizes[0] or len(x)) - len(x)
        if missing:  # a program for a fixed number of images: fill up, and cut off below
            x = torch.cat([x, x.new_zeros((missing, *x.shape[1:]))])
        try:
            output = self.run(x)
        # somebody else's network may raise anything; what counts is on which pictures
        except Exception as error:
            raise InputError(
                f"features: '{self.name}' fails on images {tuple(x.shape)}: {one_line(error)}"
            ) from error
        found = output if isinstance(output, tuple | list) else (output,)
        if not (len(found) in (1, 2) and all(_is_matrix(value, len(x)) for value in found)):
            raise InputError(
                f"features: '{self.name}' must return floating (B, d), or features and logits, "
                f"for B = {len(x)}; got {', '.join(map(_described, found)) or 'nothing'}"
            )
        features = found[0][: len(images)].float().cpu()
        if len(found) == 1:
            return Extracted(features, None)
        return Extracted(features, found[1][: len(images)].double().softmax(1).float().cpu())

    def _prepared(self, images: Tensor) -> Tensor:
        """(B, C, H, W) uint8 -> the channels, size, range and dtype that the network takes."""
        _, channels, height, width = self.takes.sizes
        if channels == 1:
            images = grey(images)
        x = images.expand(-1, channels or -1, -1, -1)
        size = (height or x.shape[2], width or x.shape[3])
        if self.takes.dtype == torch.uint8:
            return resized(x.float(), size).round().to(torch.uint8)
        return (resized(x.float(), size) / 255).to(self.takes.dtype)


def open_file(path: Path, *, trust: bool, device: str | torch.device) -> Digits | Program:
    """The extractor at `path`; only trust=True lets torch load what can hold any code."""
    where = check_device(device)
    if path.is_dir():
        return Digits(path, name=path.name, device=where, argument="features")
    if not path.is_file():
        raise InputError(f"features: '{path}' {_WANTED}, got neither")
    try:
        kind = _kind(path)
        if kind == "export" and not trust:
            program = read_program(path)
            return Program(path, Graph(program, device=where), program.takes, device=where)
    except NotPlain as error:
        raise InputError(
            f"features: '{path}' is not read as plain data: {error}; trust=True (--trust) lets "
            "torch load it, which can run any code in it"
        ) from error
    except (OSError, zipfile.BadZipFile, *BROKEN) as error:
        raise InputError(f"features: '{path}' is damaged: {one_line(error)}") from error
    if kind is None:
        raise InputError(f"features: '{path}' {_WANTED}, got neither")
    if kind == "checkpoint":
        raise InputError(
            f"features: '{path}' {_WANTED}, got a pickled checkpoint: weights without a network; "
            "export it with torch.export.save"
        )
    if not trust:
        raise InputError(
            f"features: '{path}' is TorchScript, which can run any code; trust=True (--trust) "
            "runs it, torch.export.save makes a file that needs no trust"
        )
    return _trusted(path, kind, where)


def _kind(path: Path) -> str | None:
    """ "export", "script", "checkpoint" or None, by what the file holds and not by its suffix."""
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            return "checkpoint" if file.read(1) == b"\x80" else None  # how pickles begin
    with zipfile.ZipFile(path) as archive:
        names = [name.partition("/")[2] for name in archive.namelist()]
    if "archive_format" in names or "serialized_exported_program.json" in archive.namelist():
        return "export"
    if "constants.pkl" in names:
        return "script"
    return "checkpoint" if "data.pkl" in names else None


def _trusted(path: Path, kind: str, device: torch.device) -> Program:
    """Through torch's own loaders, which run code from the file."""
    try:
        if kind == "script":
            return Program(path, torch.jit.load(path, device).eval(), _ANY, device=device)
        exported = torch.export.load(path)
        (name,) = exported.graph_signature.user_inputs
        (meta,) = [n.meta["val"] for n in exported.graph.nodes if n.name == name]
        sizes = tuple(size if isinstance(size, int) else None for size in meta.shape)
        run = exported.module().to(device)
        return Program(path, run, Input(sizes, meta.dtype), device=device)
    except InputError:
        raise
    # the loaders have no errors of their own
    except Exception as error:
        raise InputError(f"features: torch cannot load '{path}': {one_line(error)}") from error


def _sha256(path: Path) -> str:
    """Piece by piece: a network may be larger than what is left of memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_matrix(value: Any, rows: int) -> bool:
    if not isinstance(value, Tensor) or not value.is_floating_point():
        return False
    return value.ndim == 2 and len(value) == rows and value.shape[1] > 0


def _described(value: Any) -> str:
    if not isinstance(value, Tensor):
        return type(value).__name__
    return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"


def _shape(sizes: tuple[int | None, ...]) -> str:
    return "(" + ", ".join("any" if size is None else str(size) for size in sizes) + ")"
