"""frechet_distance beside torch-fidelity and the square root of a matrix. Arrays of float32.

From features to the distance; with fewer rows than columns, too.
"""

import warnings

import numpy as np
import torch
from torch import Tensor

from benchmarks.metrics.comparison import Comparison, Function, Scores, Size
from benchmarks.metrics.peers import on_torchs_threads
from genbench.metrics import frechet_distance


def features(size: Size) -> tuple[Tensor, Tensor]:
    """Correlated, of spreads from 1 to .01 and positive, as those behind a network's ReLU."""
    rng = torch.Generator().manual_seed(0)
    turn = torch.linalg.qr(torch.randn(size.width, size.width, generator=rng)).Q
    turn = turn * torch.logspace(0, -2, size.width)[:, None]

    def draw(spread: float) -> Tensor:
        return (torch.randn(size.rows, size.width, generator=rng) @ turn * spread).abs()

    return draw(1.0), draw(1.1)


def by_symmetric_root(real: Tensor, fake: Tensor) -> Scores:
    """tr (S1^(1/2) S2 S1^(1/2))^(1/2) with the root from S1's eigenvectors."""
    (m1, s1), (m2, s2) = ((x.mean(dim=0), x.T.cov()) for x in (real.double(), fake.double()))
    values, vectors = torch.linalg.eigh(s1)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    shared = torch.linalg.eigvalsh(root @ s2 @ root).clamp(min=0).sqrt().sum()
    return (((m1 - m2).square().sum() + s1.trace() + s2.trace() - 2 * shared).item(),)


def genbench() -> Function:
    def run(real: Tensor, fake: Tensor) -> Scores:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of few rows
            return (frechet_distance(real=real, fake=fake),)

    return run


def torch_fidelity() -> Function:
    from genbench.metrics.extractors.vision import import_fidelity

    import_fidelity()
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    def run(real: Tensor, fake: Tensor) -> Scores:
        one, two = fid_features_to_statistics(fake), fid_features_to_statistics(real)
        return (fid_statistics_to_metric(one, two, False)["frechet_inception_distance"],)

    return on_torchs_threads(run)


def scipy_sqrtm() -> Function:
    from scipy.linalg import sqrtm

    def run(real: Tensor, fake: Tensor) -> Scores:
        (m1, s1), (m2, s2) = (
            (x.numpy().mean(axis=0), np.cov(x.numpy(), rowvar=False)) for x in (real, fake)
        )
        shared = np.trace(np.real(sqrtm(s1 @ s2)))
        return (float(((m1 - m2) ** 2).sum() + np.trace(s1) + np.trace(s2) - 2 * shared),)

    return on_torchs_threads(run)


COMPARISONS = [
    Comparison(
        name="frechet_distance",
        features=features,
        variants={"genbench": genbench, "torch-fidelity": torch_fidelity, "sqrtm": scipy_sqrtm},
        truth=by_symmetric_root,
        tolerance=1e-3,  # of 3 to 80: others sum float32 means, and roots of zeros leave 1e-8 each
        sizes=(Size(2048, 512), Size(300, 512)),
        full_sizes=(Size(4096, 2048), Size(1000, 2048)),
    )
]


def test_frechet(metric_row):
    metric_row()
