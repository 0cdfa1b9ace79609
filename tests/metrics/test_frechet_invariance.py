"""What moves no Frechet distance: order, rotation, translation; how scale enters."""

import pytest
import torch
from draws import fewer, normal, rotation
from hypothesis import given
from hypothesis import strategies as st

from genbench.metrics.frechet import frechet_distance

pytestmark = [
    pytest.mark.filterwarnings("ignore:frechet distance"),
    pytest.mark.usefixtures("one_thread"),
]


@st.composite
def pairs(draw):
    """Features of any shape, few rows included, scaled column by column, some columns dead."""
    d = draw(st.integers(1, 6))
    n, m = draw(st.integers(2, 30)), draw(st.integers(2, 30))
    seed = draw(st.integers(0, 2**31))
    scales = 10.0 ** normal(1, d, seed + 2) * draw(st.sampled_from([1e-3, 1.0, 1e3]))
    if draw(st.booleans()):
        scales[0, 0] = 0.0
    return normal(n, d, seed) * scales, (normal(m, d, seed + 1) + 0.5) * scales, seed


def rounding(real, fake):
    """1e-12 of the traces and the means' distance, more where a covariance is close to singular.

    Its smallest eigenvalue is known to eps of the largest, and enters by its root.
    """
    apart = (real.mean(0) - fake.mean(0)).square().sum()
    of = (apart + real.var(0).sum() + fake.var(0).sum()).item()
    return (1e-12 + 4e-15 * max(root_condition(real), root_condition(fake))) * of


def root_condition(rows):
    """Of the covariance that is formed, dead columns aside; 1 where none is formed."""
    live = rows[:, rows.std(0) > 0]
    if len(rows) <= rows.shape[1] or live.numel() == 0:
        return 1.0
    values = torch.linalg.svdvals(live - live.mean(0))
    return min((values[0] / values[-1]).item(), 1e8)


@fewer
@given(pairs())
def test_it_is_symmetric(case):
    real, fake, _ = case
    found = frechet_distance(real=real, fake=fake)
    assert found >= 0
    swapped = frechet_distance(real=fake, fake=real)
    assert swapped == pytest.approx(found, abs=rounding(real, fake))


@fewer
@given(pairs())
def test_rotation_and_order_do_not_matter(case):
    real, fake, seed = case
    found, allowed = frechet_distance(real=real, fake=fake), rounding(real, fake)
    q = rotation(real.shape[1], seed)
    order = torch.randperm(len(real), generator=torch.Generator().manual_seed(seed))
    shuffled = frechet_distance(real=real[order], fake=fake)
    assert shuffled == pytest.approx(found, abs=allowed)
    # a turned dead column is no longer constant: it has eps of variance, the root of that counts
    turned = frechet_distance(real=real @ q, fake=fake @ q)
    assert turned == pytest.approx(found, abs=1e5 * allowed)


@fewer
@given(pairs(), st.sampled_from([1.0, -300.0, 1e4]))
def test_translation_does_not_matter(case, offset):
    real, fake, _ = case
    # multiples of 2^-20: the offset is added without rounding
    real, fake = ((x * 2**20).round() / 2**20 for x in (real, fake))
    found, allowed = frechet_distance(real=real, fake=fake), rounding(real, fake)
    moved = frechet_distance(real=real + offset, fake=fake + offset)
    # the means' rounding, offset eps, enters their distance and the centred rows
    lost = 1e-11 * (1 + (real.abs().max() + fake.abs().max()).item())
    assert moved == pytest.approx(found, abs=allowed + lost)


@fewer
@given(pairs(), st.sampled_from([2.0**-10, 0.3, 3.0, 2.0**10]))
def test_scale_enters_by_its_square(case, c):
    real, fake, _ = case
    found = frechet_distance(real=c * real, fake=c * fake)
    expected = c * c * frechet_distance(real=real, fake=fake)
    assert found == pytest.approx(expected, abs=c * c * rounding(real, fake))
