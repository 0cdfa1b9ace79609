"""kernel_distance beside whole matrices, and its subsets beside torch-fidelity. float32 arrays."""

import numpy as np
import torch
from torch import Tensor

from benchmarks.metrics.comparison import Comparison, Function, Scores, Size
from benchmarks.metrics.peers import on_torchs_threads
from genbench.metrics import kernel_distance, kernel_distance_subsets

SUBSETS, SUBSET_SIZE, SEED = 20, 1000, 2020


def features(size: Size) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    real, fake = (torch.randn(size.rows, size.width, generator=rng).abs() for _ in range(2))
    return real, fake * 1.1


def unbiased(x: np.ndarray, y: np.ndarray) -> float:
    """By whole matrices of kernel values."""
    xx, yy, xy = ((a @ b.T / a.shape[1] + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
    n, m = len(x), len(y)
    within = (xx.sum() - np.trace(xx)) / (n * (n - 1)) + (yy.sum() - np.trace(yy)) / (m * (m - 1))
    return float(within - 2 * xy.mean())


@on_torchs_threads
def whole_matrices(real: Tensor, fake: Tensor) -> Scores:
    return (unbiased(real.double().numpy(), fake.double().numpy()),)


def subset_size(rows: Tensor) -> int:
    return min(SUBSET_SIZE, len(rows))


@on_torchs_threads
def same_subsets(real: Tensor, fake: Tensor) -> Scores:
    """In float64, as torch-fidelity draws them: what was generated first."""
    rng, values = np.random.RandomState(SEED), []
    x, y = real.double().numpy(), fake.double().numpy()
    for _ in range(SUBSETS):
        of_y = y[rng.choice(len(y), subset_size(fake), replace=False)]
        values.append(unbiased(x[rng.choice(len(x), subset_size(real), replace=False)], of_y))
    return float(np.mean(values)), float(np.std(values))


def genbench() -> Function:
    return lambda real, fake: (kernel_distance(real=real, fake=fake).mean,)


def genbench_subsets() -> Function:
    return lambda real, fake: tuple(
        kernel_distance_subsets(
            real=real, fake=fake, subsets=SUBSETS, subset_size=subset_size(real), seed=SEED
        )
    )


def torch_fidelity() -> Function:
    from genbench.metrics.extractors.vision import import_fidelity

    import_fidelity()
    from torch_fidelity.metric_kid import kid_features_to_metric

    def run(real: Tensor, fake: Tensor) -> Scores:
        options = {"kid_subsets": SUBSETS, "kid_subset_size": subset_size(real), "verbose": False}
        found = kid_features_to_metric(fake, real, rng_seed=SEED, **options)
        return tuple(found.values())

    return on_torchs_threads(run)


COMPARISONS = [
    Comparison(
        name="kernel_distance",
        features=features,
        variants={"genbench": genbench, "whole matrices": lambda: whole_matrices},
        truth=whole_matrices,
        tolerance=1e-9,
        sizes=(Size(2000, 64),),
        full_sizes=(Size(5000, 2048),),
    ),
    Comparison(
        name="kernel_distance_subsets",
        features=features,
        variants={"genbench": genbench_subsets, "torch-fidelity": torch_fidelity},
        truth=same_subsets,
        tolerance=1e-5,  # they compute kernel values of 4 in float32
        sizes=(Size(2000, 64),),
        full_sizes=(Size(5000, 2048),),
    ),
]


def test_kernel(metric_row):
    metric_row()
