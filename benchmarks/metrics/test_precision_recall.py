"""precision_recall beside prdc, torch-fidelity and a plain loop over blocks. Arrays of float32.

prdc and torch-fidelity's default hold matrices N x N; `save_cpu_ram` is its form that does not.
"""

import contextlib
import io

import torch
from torch import Tensor

from benchmarks.metrics.comparison import Comparison, Function, Scores, Size
from genbench.metrics import precision_recall

K = 3
BLOCK = 1000  # rows: 80 MB of distances at N = 20,000
HIDDEN = 16  # dimensions that the features really have, as a network's have fewer than columns


def features(size: Size) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    mixing = torch.randn(HIDDEN, size.width, generator=rng) / HIDDEN**0.5

    def draw(spread: float) -> Tensor:
        hidden = torch.randn(size.rows, HIDDEN, generator=rng) * spread
        return hidden @ mixing + 0.2 * torch.randn(size.rows, size.width, generator=rng)

    return draw(1.0), draw(0.9)


def plain(real: Tensor, fake: Tensor) -> Scores:
    """What one writes by hand: torch.cdist and topk, block by block, in the features' dtype."""
    radii = [
        torch.cat([torch.cdist(rows, x).topk(K + 1, largest=False).values[:, -1] for rows in part])
        for x in (real, fake)
        for part in [x.split(BLOCK)]
    ]
    inside, recalled, covered = torch.zeros(len(fake)), [], []
    for rows, radius in zip(real.split(BLOCK), radii[0].split(BLOCK), strict=True):
        apart = torch.cdist(rows, fake)
        within = apart <= radius[:, None]
        inside += within.sum(dim=0)
        covered.append(within.any(dim=1))
        recalled.append((apart <= radii[1]).any(dim=1))
    return (
        (inside > 0).float().mean().item(),
        torch.cat(recalled).float().mean().item(),
        inside.mean().item() / K,
        torch.cat(covered).float().mean().item(),
    )


def in_float64(real: Tensor, fake: Tensor) -> Scores:
    # the features are centred and spread: the product form of cdist keeps ten digits
    return plain(real.double(), fake.double())


def genbench() -> Function:
    return lambda real, fake: tuple(precision_recall(real=real, fake=fake, k=K))


def prdc() -> Function:
    from prdc import compute_prdc

    def run(real: Tensor, fake: Tensor) -> Scores:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints the sizes
            found = compute_prdc(real.numpy(), fake.numpy(), nearest_k=K)
        return tuple(float(found[key]) for key in ("precision", "recall", "density", "coverage"))

    return run


def torch_fidelity() -> Function:
    from genbench.metrics.extractors.vision import import_fidelity

    import_fidelity()
    from torch_fidelity.metric_prc import calculate_precision_recall_part

    # precision and recall alone
    return lambda real, fake: tuple(calculate_precision_recall_part(fake, real, K))


COMPARISONS = [
    Comparison(
        name="precision_recall",
        features=features,
        variants={
            "genbench": genbench,
            "prdc": prdc,
            "torch-fidelity, save_cpu_ram": torch_fidelity,
            "plain loop": lambda: plain,
        },
        truth=in_float64,
        tolerance=2e-3,  # float32 products move a few rows across a radius
        sizes=(Size(500, 64), Size(2000, 512)),
        full_sizes=(Size(2000, 512), Size(10_000, 64), Size(20_000, 512)),
    )
]


def test_precision_recall(metric_row):
    metric_row()
