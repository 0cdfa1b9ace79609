"""What feeds models and what is judged: known mixtures, seeded batches, files of samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genbench.catalog import Entry

if TYPE_CHECKING:
    from genbench.data.datasets import Dataset, Draws, Epochs, Split
    from genbench.data.memory import place
    from genbench.data.mixtures import Mixture, mixture
    from genbench.data.opening import open_dataset
    from genbench.data.samples import Samples, open_samples
    from genbench.data.seeded import SeededStream
    from genbench.data.streams import Stream

__all__ = [
    "CATALOG",
    "DATASETS",
    "MIXTURES",
    "ON_DISK",
    "STACKED",
    "Dataset",
    "Draws",
    "Epochs",
    "Mixture",
    "Samples",
    "SeededStream",
    "Split",
    "Stream",
    "mixture",
    "open_dataset",
    "open_samples",
    "place",
]

_NAMED = "genbench.data.named_mixtures:"

MIXTURES = {
    "ring8": Entry(_NAMED + "ring", "8 Gaussians on a circle of radius 1, sigma .05"),
    "grid25": Entry(_NAMED + "grid", "5 x 5 Gaussians from -4 to 4 step 2, sigma .05"),
    "random25": Entry(_NAMED + "random", "25 Gaussians at random places in -4..4, sigma .05"),
    "spiral": Entry(_NAMED + "spiral", "two arms of 50 Gaussians each, sigma .1; Grathwohl 2018"),
    "swissroll": Entry(
        _NAMED + "swiss_roll", "100 Gaussians on a rolled-up strip, sigma .033; Gulrajani 2017"
    ),
    "ring8-pacgan": Entry(
        _NAMED + "ring", "ring8 as PacGAN has it, sigma .01; Lin 2018", {"sigma": 0.01}
    ),
    "grid25-pacgan": Entry(_NAMED + "grid", "grid25 as PacGAN has it, sigma .05; Lin 2018"),
    "ring8-wgan_gp": Entry(
        _NAMED + "ring",
        "radius 2, sigma .02, all over 1.414; Gulrajani 2017",
        {"radius": 2.0, "sigma": 0.02, "over": 1.414},
    ),
    "grid25-wgan_gp": Entry(
        _NAMED + "grid", "grid25 over 2.828; Gulrajani 2017", {"sigma": 0.05, "over": 2.828}
    ),
    "veegan1200": Entry(
        _NAMED + "subspace", "10 Gaussians of 700 dimensions in 1200, sigma 1; Srivastava 2017"
    ),
}

STACKED = {
    "stacked-digits": Entry(
        "genbench.data.stacked:held_out_digits",
        "three 8 x 8 digits as channels, 1000 modes; after Metz 2016",
    ),
    "stacked-mnist": Entry(
        "genbench.data.stacked:read_mnist",
        "the same of a folder of MNIST's IDX files: stacked-mnist=FOLDER",
    ),
}

DATASETS = {
    "digits": Entry("genbench.data.digits:digits", "1,797 digits, 8 x 8 of 17 levels, 10 classes"),
    "shapes": Entry(
        "genbench.data.shapes:shapes",
        "a disc, square, triangle or cross: colour, place, size, angle, caption; drawn fresh",
    ),
    "shapes-disc": Entry(
        "genbench.data.shapes:shapes",
        "a light disc on black whose x, y and size alone vary; drawn fresh",
        {"name": "shapes-disc", "kinds": ("disc",), "colours": (), "vary": ("x", "y", "size")},
    ),
    "photos": Entry(
        "genbench.data.photos:photos",
        "random crops of one photograph inside scikit-learn, tiles of another held out",
    ),
}

ON_DISK = {
    "mnist": Entry(
        "genbench.data.idx_folders:idx_folder",
        "MNIST and its like from your disk: mnist=FOLDER of IDX files, also .gz",
    ),
    "cifar10": Entry(
        "genbench.data.cifar:cifar", "from your disk: cifar10=FOLDER or .tar.gz, binary or pickled"
    ),
    "cifar100": Entry(
        "genbench.data.cifar:cifar", "from your disk: cifar100=FOLDER or .tar.gz, fine labels"
    ),
}

CATALOG = {**DATASETS, **ON_DISK, **MIXTURES, **STACKED}


def __getattr__(name: str) -> Any:
    # Samplers import torch and readers NumPy; the catalog above must not.
    if name in ("Mixture", "mixture"):
        from genbench.data import mixtures

        return getattr(mixtures, name)
    if name in ("Dataset", "Draws", "Epochs", "Split"):
        from genbench.data import datasets

        return getattr(datasets, name)
    if name == "place":
        from genbench.data.memory import place

        return place
    if name == "open_dataset":
        from genbench.data.opening import open_dataset

        return open_dataset
    if name == "Stream":
        from genbench.data.streams import Stream

        return Stream
    if name == "SeededStream":
        from genbench.data.seeded import SeededStream

        return SeededStream
    if name in ("Samples", "open_samples"):
        from genbench.data import samples

        return getattr(samples, name)
    raise AttributeError(f"module 'genbench.data' has no attribute {name!r}")
