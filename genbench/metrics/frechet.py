"""Frechet distance of two Gaussians, of FID and its kin. Heusel et al. 2017, arXiv 1706.08500.

|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)). With any roots S1 = A A', S2 = B B' the last trace is
the sum of the singular values of A'B: no square root of a matrix, no complex eigenvalue. A root is
a Cholesky factor, or the centred rows themselves where there are fewer of them than columns.
"""

from __future__ import annotations

import math
import warnings
from typing import Any, NamedTuple

import torch
from torch import Tensor

from genbench.errors import InputError
from genbench.metrics.checks import as_tensor, feature_matrix, feature_pair
from genbench.metrics.moments import Moments
from genbench.metrics.reductions import add_gram, asymmetry, product, single_threaded

EPS = torch.finfo(torch.float64).eps
LEAST_TERMS = 32  # in few columns too, sums over rows and LAPACK round by more than d EPS
LARGEST = 1e70  # entries: products of two covariances, summed, still are float64 numbers
SMALL = 256  # to this size singular values are as quick as eigenvalues
# A bound on the error of fast eigenvalues, as a share of the distance and of the traces: they serve
# up to it. Against singular values the error was 1e-4 of the bound or less from d = 256 on.
TRUSTED = 1e-6, 1e-13


class Side(NamedTuple):
    """A Gaussian: mean (d,), covariance = root root' with root (d, r), float64."""

    mean: Tensor
    root: Tensor
    trace: float  # of the covariance


@single_threaded()
def frechet_distance(*, real: Any, fake: Any) -> float:
    """Frechet distance (squared, in the features' units squared) of features (N, d) and (M, d).

    Any floating dtype, tensors or NumPy arrays on one device; covariances over N - 1, float64.
    Symmetric in its arguments, >= 0, and 0 for the same rows. Error measured: 1e-13 of the
    traces of the covariances; 1e-8 of them where a covariance of N > d rows is singular to
    rounding. The same bits for any number of threads.
    With d rows or fewer no (d, d) matrix is formed. Warns below 2 d rows: the value is biased
    upward, by d / N + d (d + 1) / (4 (N - 1)) between a standard normal law and N of its rows.
    Errors: InputError that names the argument (shape, dtype, fewer than 2 rows, not finite).
    """
    a, b = feature_pair(real=real, fake=fake, rows=2, largest=LARGEST)
    warn_of_few_rows(real=a, fake=b)
    return distance(side_of_rows(a), side_of_rows(b))


@single_threaded()
def frechet_distance_from_moments(*, real: Any, fake: Any) -> float:
    """The same of (mean (d,), covariance (d, d)) pairs, tensors or NumPy arrays.

    Errors: InputError for other shapes, values that are not finite, or a covariance that is not
    symmetric or has a negative eigenvalue beyond its dtype's rounding.
    """
    a, b = (side_of_moments(x, argument=name) for name, x in (("real", real), ("fake", fake)))
    if a.mean.shape != b.mean.shape:
        raise InputError(
            f"real and fake: must have the same width, got {len(a.mean)} and {len(b.mean)}"
        )
    if a.mean.device != b.mean.device:
        raise InputError(
            f"real and fake: must be on one device, got {a.mean.device} and {b.mean.device}"
        )
    return distance(a, b)


def warn_of_few_rows(**features: Tensor) -> None:
    """One line where a covariance comes of fewer than 2 d rows."""
    few = [f"{name} has {len(x)}" for name, x in features.items() if len(x) < 2 * x.shape[1]]
    if few:
        wanted = 2 * next(iter(features.values())).shape[1]
        line = f"frechet distance: biased upward below 2 d = {wanted} rows; {', '.join(few)}"
        warnings.warn(line, stacklevel=4)  # over the public function and its decorator


@single_threaded()
def side_of_rows(rows: Tensor, weights: Tensor | None = None) -> Side:
    """Of rows (n, d), each taken `weights` (n,) times; the root has min(n - 1, d) columns."""
    n, d = rows.shape
    if n <= d:
        return _side_of_few(rows.double(), weights)
    moments = Moments(d, device=rows.device)
    moments.update(rows if weights is None else rows.repeat_interleave(weights, dim=0))
    covariance = moments.covariance
    return Side(moments.mean, covariance_root(covariance), covariance.trace().item())


@single_threaded()
def side_of_moments(moments: Any, *, argument: str) -> Side:
    """Of a checked (mean, covariance) pair."""
    try:
        mean, covariance = moments
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{argument}: must be a (mean, covariance) pair, got {type(moments).__name__}"
        ) from error
    mean = as_tensor(mean, argument=f"{argument}, mean", expected="a tensor or an array (d,)")
    covariance = as_tensor(
        covariance, argument=f"{argument}, covariance", expected="a tensor or an array (d, d)"
    )
    d = mean.numel()
    if mean.ndim != 1 or covariance.shape != (d, d):
        raise InputError(
            f"{argument}: must be a mean (d,) and a covariance (d, d), "
            f"got {tuple(mean.shape)} and {tuple(covariance.shape)}"
        )
    mean = feature_matrix(mean[None], argument=f"{argument}, mean", largest=LARGEST)[0]
    covariance = feature_matrix(covariance, argument=f"{argument}, covariance", largest=LARGEST**2)
    rounding = d * torch.finfo(covariance.dtype).eps
    covariance = covariance.double()
    largest, askew = covariance.abs().max().item(), asymmetry(covariance)
    if askew > rounding * largest:
        raise InputError(
            f"{argument}: the covariance must be symmetric, is off by {askew:.3g} "
            f"of at most {rounding * largest:.3g}"
        )
    covariance = (covariance + covariance.T) / 2 if askew else covariance
    root = covariance_root(covariance, argument=argument, rounding=rounding)
    return Side(mean.double(), root, covariance.trace().item())


@single_threaded()
def distance(a: Side, b: Side) -> float:
    """The Frechet distance; 0 for equal sides, where rounding would leave 1e-14 of the traces."""
    if torch.equal(a.mean, b.mean) and torch.equal(a.root, b.root):
        return 0.0
    apart = (a.mean - b.mean).square().sum().item()
    cross = product(a.root, b.root)
    traces = a.trace + b.trace
    shared, error = 0.0, math.inf
    if min(cross.shape) > SMALL:
        shared, error = sum_by_eigenvalues(cross)
    if error > max(TRUSTED[0] * abs(apart + traces - 2 * shared), TRUSTED[1] * traces):
        shared = torch.linalg.svdvals(cross).sum().item()
    return max(apart + traces - 2 * shared, 0.0)


def covariance_root(
    covariance: Tensor, *, argument: str | None = None, rounding: float = 0.0
) -> Tensor:
    """A with A A' = covariance (d, d): Cholesky, or the eigenvectors where it has not full rank.

    argument: names a covariance that came from outside; InputError where one of its eigenvalues is
    below -rounding of the largest. That of rows has none but by rounding.
    """
    d = len(covariance)
    factor, failed = torch.linalg.cholesky_ex(covariance)
    noise = d * EPS * covariance.diagonal().max()
    if not failed and factor.diagonal().square().min() > noise:
        return factor
    values, vectors = torch.linalg.eigh(covariance)  # ascending
    zero = max(rounding, max(d, LEAST_TERMS) * EPS) * values[-1].abs()
    if argument is not None and values[0] < -zero:
        raise InputError(
            f"{argument}: the covariance must be positive semi-definite, "
            f"got eigenvalues from {values[0]:.3g} to {values[-1]:.3g}"
        )
    # What rounding made of a zero would enter by its root: 1e-8 for each 1e-16.
    kept = values > zero
    return vectors[:, kept] * values[kept].sqrt()


def _side_of_few(rows: Tensor, weights: Tensor | None) -> Side:
    """Root of n - 1 columns: centred rows, reflected so that their one dependence is left out."""
    w = torch.ones(len(rows)).to(rows) if weights is None else weights.to(rows)
    total = w.sum()
    mean = (w[:, None] * rows).sum(dim=0) / total
    u = (w / total).sqrt()  # (n,), a unit vector: orthogonal to the rows below
    x = w.sqrt()[:, None] * (rows - mean) / (total - 1).sqrt()  # (n, d), x'x the covariance
    if len(x) == 1:
        return Side(mean, x[1:].T, 0.0)
    reflected = x[1:] + u[1:, None] * (x[0] / (1 - u[0]))  # Householder: u to the first axis
    return Side(mean, reflected.T, x.square().sum().item())


def sum_by_eigenvalues(cross: Tensor) -> tuple[float, float]:
    """Sum of the singular values (n, m), six times faster than by them, and a bound on its error.

    They are roots of the eigenvalues of the smaller Gram matrix. One that is off by `noise` moves
    its root by noise / (2 root), without a common sign, and by root(noise) where the truth is 0.
    """
    tall = cross if cross.shape[0] >= cross.shape[1] else cross.T
    squares = tall.new_zeros(tall.shape[1], tall.shape[1])
    add_gram(squares, tall)
    values = torch.linalg.eigvalsh(squares, UPLO="U")
    noise = len(values) ** 0.5 * EPS * values[-1]
    roots = values.clamp(min=0).sqrt()
    lost = (values <= noise).sum() * noise.sqrt()
    moved = (noise / (2 * roots[values > noise])).square().sum().sqrt()
    return roots.sum().item(), (2 * (lost + moved)).item()
