"""What one does with a trained system: reconstruct, interpolate, traverse, fill in, look up.

Each function takes a trained system beside data, writes NAME.png and NAME.json to `out`, and
returns what the JSON holds. Rows come from the part of the data that was held out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genbench import files
from genbench.data import Dataset, open_dataset
from genbench.errors import InputError
from genbench.report.sheets import points_png, sheet_png
from genbench.studies.sampling import open_model

REACH = 3.0  # standard deviations of a code that a traversal goes to each side
PERPLEXITY = 30.0  # of t-SNE
NEIGHBOURS = 5  # of precision at 5


class Explorer:
    """A trained system beside data of its shape.

    Raises InputError for a folder without a model, data of another shape, and for what the model
    has no method for.
    """

    def __init__(
        self, folder: str | Path, *, data: str, size: int | None = None, seed: int = 0
    ) -> None:
        self.model, _ = open_model(Path(folder))
        self.data: Dataset = open_dataset(data, size=size)
        wanted = tuple(self.model.config.data_shape)
        if self.data.data_shape != wanted:
            raise InputError(
                f"data: the model takes rows of shape {wanted}, {data} has {self.data.data_shape}"
            )
        self.rng = torch.Generator().manual_seed(seed)

    def rows(self, n: int) -> Tensor:
        """n held-out rows (n, *data_shape), each once; all where there are fewer."""
        order = torch.randperm(len(self.data.test), generator=self.rng)
        return self.data.test.take(order[:n]).x

    def door(self, name: str) -> Any:
        """The model's method called `name`."""
        if (found := getattr(self.model, name, None)) is None:
            raise InputError(f"model: {type(self.model).__name__} cannot {name}")
        return found


def reconstruct(it: Explorer, out: Path, *, n: int = 16) -> Mapping[str, Any]:
    """Held-out rows above, their reconstructions beneath; mean squared error of a value."""
    x = it.rows(n)
    again = it.door("reconstruct")(x)
    mse = (again - x).square().mean().item()
    return _written(out, "reconstruct", [x, again], {"rows": len(x), "mse": mse})


def interpolate(it: Explorer, out: Path, *, n: int = 6, steps: int = 9) -> Mapping[str, Any]:
    """Between two held-out rows, along the straight line of their codes: a line a pair."""
    z = it.door("encode")(it.rows(2 * n))
    a, b = z[: len(z) // 2], z[len(z) // 2 : 2 * (len(z) // 2)]
    shares = torch.linspace(0, 1, steps).to(z)
    lines = [it.door("decode")(torch.lerp(a, b, share)) for share in shares]
    return _written(out, "interpolate", list(torch.stack(lines, 1)), {"pairs": len(a)})


def traverse(it: Explorer, out: Path, *, n: int = 8, steps: int = 9) -> Mapping[str, Any]:
    """One row's code moved along n coordinates, three deviations each way: a line each."""
    codes = it.door("encode")(it.rows(1000))
    if codes.ndim != 2:
        raise InputError(f"model: codes must be (n, d) to be traversed, got {tuple(codes.shape)}")
    std, z = codes.std(0), codes[:1]
    order = std.argsort(descending=True)[:n]  # those that say something of the data first
    lines = []
    for axis in order.tolist():
        moved = z.repeat(steps, 1)
        moved[:, axis] = codes[:, axis].mean() + std[axis] * torch.linspace(-REACH, REACH, steps)
        lines.append(it.door("decode")(moved))
    return _written(out, "traverse", lines, {"coordinates": order.tolist()})


def manifold(it: Explorer, out: Path, *, n: int = 15) -> Mapping[str, Any]:
    """What a two-dimensional code means: n x n Gaussian quantiles, decoded."""
    if it.model.config.latent_dim != 2:
        raise InputError(f"model: must have latent_dim 2, got {it.model.config.latent_dim}")
    normal = torch.distributions.Normal(0.0, 1.0)
    axis = normal.icdf((torch.arange(n) + 0.5) / n)
    z = torch.stack(torch.meshgrid(-axis, axis, indexing="ij")[::-1], -1)  # y grows upward
    lines = [it.door("decode")(row) for row in z]
    return _written(out, "manifold", lines, {"side": n})


def impute(it: Explorer, out: Path, *, n: int = 16, hidden: str = "lower") -> Mapping[str, Any]:
    """Rows, what is visible of them, and how the model fills them in; error over what was hidden.

    hidden: "lower" (half of a picture), "random" (half of the values) or "square" (the middle).
    """
    x = it.rows(n)
    visible = _mask(x, hidden, it.rng)
    filled = it.door("impute")(x, visible, it.rng)
    error = (filled - x)[~visible].square().mean().item()
    shown = torch.where(visible, x, torch.zeros_like(x))
    return _written(out, "impute", [x, shown, filled], {"rows": len(x), "mse_hidden": error})


def denoise(it: Explorer, out: Path, *, n: int = 16, noise: float = 0.5) -> Mapping[str, Any]:
    """Rows, the same with Gaussian noise of that deviation, and cleaned; decibels gained."""
    if not noise > 0:
        raise InputError(f"noise: must be above 0, got {noise}")
    x = it.rows(n)
    noisy = x + noise * torch.randn(x.shape, generator=it.rng)
    clean = it.door("denoise")(noisy)
    before, after = ((y - x).square().mean() for y in (noisy, clean))
    gain = 10 * torch.log10(before / after).item()
    return _written(out, "denoise", [x, noisy, clean], {"rows": len(x), "gain_db": gain})


def latents(it: Explorer, out: Path, *, n: int = 1000) -> Mapping[str, Any]:
    """Codes of held-out rows on the plane, by t-SNE where they have more coordinates.

    Colours are labels; with them the accuracy of 5 nearest neighbours on the plane. Van der Maaten
    and Hinton 2008.
    """
    rows = torch.randperm(len(it.data.test), generator=it.rng)[:n]
    given = it.data.test.take(rows)
    z = it.door("encode")(given.x).flatten(1).numpy()
    plane = z if z.shape[1] == 2 else _tsne(z, seed=0)
    labels = None if given.labels is None else given.labels.numpy()
    found: dict[str, Any] = {"rows": len(z), "dimensions": z.shape[1]}
    if labels is not None:
        found["accuracy_5nn"] = _leave_one_out(plane, labels)
    files.write_bytes(out / "latents.png", points_png(plane, labels, it.data.classes))
    return _kept(out, "latents", found)


def nearest(it: Explorer, out: Path, *, n: int = 8) -> Mapping[str, Any]:
    """Held-out rows, each with the training rows whose codes are nearest; precision at 5 of codes
    and of raw values, where there are labels."""
    rows = torch.randperm(len(it.data.test), generator=it.rng)
    asked, known = it.data.test.take(rows), it.data.train.all()
    code = it.door("encode")
    found: dict[str, Any] = {"rows": len(rows)}
    sides = {"code": (code(asked.x), code(known.x)), "raw": (asked.x, known.x)}
    order = {name: _closest(*side) for name, side in sides.items()}
    if known.labels is not None and asked.labels is not None:
        for name, places in order.items():
            same = known.labels[places] == asked.labels[:, None]
            found[f"precision_at_5_{name}"] = same.double().mean().item()
    lines = [torch.cat([asked.x[i : i + 1], known.x[order["code"][i]]]) for i in range(n)]
    return _written(out, "nearest", lines, found)


def _mask(x: Tensor, hidden: str, rng: torch.Generator) -> Tensor:
    """bool like x, True where it is visible."""
    visible = torch.ones_like(x, dtype=torch.bool)
    height, width = x.shape[-2:] if x.ndim == 4 else (1, x.shape[-1])
    if hidden == "random":
        return torch.rand(x.shape, generator=rng) < 0.5
    if hidden == "lower" and x.ndim == 4:
        visible[..., height // 2 :, :] = False
    elif hidden == "square" and x.ndim == 4:
        y, z = height // 4, width // 4
        visible[..., y : height - y, z : width - z] = False
    else:
        raise InputError(f"hidden: must be random, or lower or square of a picture, got '{hidden}'")
    return visible


def _closest(a: Tensor, b: Tensor) -> Tensor:
    """(n, 5): the places in b (m, ...) nearest to each row of a (n, ...)."""
    distances = torch.cdist(a.flatten(1).double(), b.flatten(1).double())
    return distances.topk(NEIGHBOURS, largest=False).indices


def _tsne(z: np.ndarray, *, seed: int) -> np.ndarray:
    from sklearn.manifold import TSNE

    perplexity = min(PERPLEXITY, (len(z) - 1) / 3)
    return TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(z)


def _leave_one_out(plane: np.ndarray, labels: np.ndarray) -> float:
    """The share of points whose label most of their 5 nearest have."""
    x = torch.from_numpy(plane)
    distances = torch.cdist(x.double(), x.double()).fill_diagonal_(float("inf"))
    votes = torch.from_numpy(labels)[distances.topk(NEIGHBOURS, largest=False).indices]
    return (votes.mode(1).values.numpy() == labels).mean().item()


def _written(
    out: Path, name: str, lines: list[Tensor], found: Mapping[str, Any]
) -> Mapping[str, Any]:
    """The sheet of rows (n, *data_shape) a line, and the numbers."""
    files.write_bytes(out / f"{name}.png", sheet_png([line.float().numpy() for line in lines]))
    return _kept(out, name, found)


def _kept(out: Path, name: str, found: Mapping[str, Any]) -> Mapping[str, Any]:
    files.write_text(out / f"{name}.json", json.dumps(found, indent=1) + "\n")
    return found


EXPLORATIONS = {
    "reconstruct": reconstruct,
    "interpolate": interpolate,
    "traverse": traverse,
    "manifold": manifold,
    "impute": impute,
    "denoise": denoise,
    "latents": latents,
    "nearest": nearest,
}


@torch.no_grad()
def explore(
    name: str,
    folder: str | Path,
    *,
    data: str,
    out: str | Path,
    size: int | None = None,
    seed: int = 0,
    **options: Any,
) -> Mapping[str, Any]:
    """The exploration called `name` of the model in `folder`; options: its own keyword arguments.

    Raises InputError for bad input, what the model cannot do, and a folder that cannot be written.
    """
    if (n := options.get("n")) is not None and n < 1:
        raise InputError(f"n: must be at least 1, got {n}")
    it = Explorer(folder, data=data, size=size, seed=seed)
    try:
        return EXPLORATIONS[name](it, Path(out), **options)
    except OSError as error:
        why = error.strerror or error
        raise InputError(f"out: cannot write '{out}' ({why}); choose another --out") from error
