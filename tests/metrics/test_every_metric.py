"""Laws that every metric of two feature matrices keeps, and input that every one refuses."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import torch
from feature_metrics import LAWS, OTHERS, Law, numbers
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from genbench import metrics
from genbench.errors import InputError
from genbench.metrics import CATALOG

every = pytest.mark.parametrize("law", [pytest.param(law, id=name) for name, law in LAWS.items()])
drawn = settings(max_examples=10)  # a metric costs 1 to 100 ms: seven of them, four properties


def clouds(seed: int, n: int = 230, m: int = 210, d: int = 5) -> tuple[Tensor, Tensor]:
    """Two unlike clouds, (n, d) and (m, d) float64: the fakes narrower and beside the reals."""
    rng = torch.Generator().manual_seed(seed)
    real = torch.randn(n, d, generator=rng, dtype=torch.float64)
    fake = 0.4 * torch.randn(m, d, generator=rng, dtype=torch.float64)
    return real, fake + torch.linspace(0, 1, d, dtype=torch.float64)


def rotation(d: int, seed: int) -> Tensor:
    """A random orthogonal matrix."""
    rng = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn(d, d, generator=rng, dtype=torch.float64)).Q


pytestmark = pytest.mark.filterwarnings("ignore:frechet distance:UserWarning")


def test_no_metric_is_left_out():
    assert LAWS.keys() | OTHERS == CATALOG.keys()
    assert not LAWS.keys() & OTHERS


@every
@drawn
@given(seed=st.integers(0, 2**32 - 1))
def test_the_order_of_rows_does_not_matter(law: Law, seed: int):
    if law.seeded:
        pytest.skip("draws rows by number")
    real, fake = clouds(seed)
    rng = torch.Generator().manual_seed(seed)
    turned = law.call(
        real=real[torch.randperm(len(real), generator=rng)],
        fake=fake[torch.randperm(len(fake), generator=rng)],
    )
    # float64 sums of 150 terms in another order
    assert numbers(turned) == pytest.approx(numbers(law.call(real=real, fake=fake)), rel=1e-9)


@every
@drawn
@given(seed=st.integers(0, 2**32 - 1), reach=st.sampled_from([1.0, 1e2, 1e4]))
def test_the_origin_does_not_matter(law: Law, seed: int, reach: float):
    if not law.moves:
        pytest.skip("its kernel has an origin, or k-means decides")
    real, fake = clouds(seed)
    offset = reach * torch.randn(5, generator=torch.Generator().manual_seed(seed)).double()
    found = numbers(law.call(real=real + offset, fake=fake + offset))
    # adding 1e4 rounds entries of size 1 to 2e-12
    assert found == pytest.approx(numbers(law.call(real=real, fake=fake)), rel=1e-7, abs=1e-9)


@every
@drawn
@given(seed=st.integers(0, 2**32 - 1))
def test_rotations_do_not_matter(law: Law, seed: int):
    if not law.rotates:
        pytest.skip("k-means starts from coordinates")
    real, fake = clouds(seed)
    turn = rotation(5, seed)
    found = numbers(law.call(real=real @ turn, fake=fake @ turn))
    # a product with Q rounds each entry to some 1e-16
    assert found == pytest.approx(numbers(law.call(real=real, fake=fake)), rel=1e-8, abs=1e-10)


@every
@drawn
@given(seed=st.integers(0, 2**32 - 1), d=st.sampled_from([1, 2, 40, 64]))
def test_threads_do_not_change_a_bit(law: Law, seed: int, d: int):
    real, fake = clouds(seed, 300, 260, d)
    found = []
    before = torch.get_num_threads()
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        found.append(repr(law.call(real=real.float(), fake=fake.float())))
    torch.set_num_threads(before)
    assert found[0] == found[1] == found[2]


@every
def test_what_holds_the_same_numbers_gives_the_same_value(law: Law):
    real, fake = (x.float() for x in clouds(1))
    expected = law.call(real=real, fake=fake)
    wide = torch.zeros(2, 460, 10)
    wide[0, ::2, ::2], wide[1, :420:2, ::2] = real, fake
    before, state = (real.clone(), fake.clone()), torch.get_rng_state()
    numpy_state = np.random.get_state()[1].tobytes()  # type: ignore[index]
    for a, b in [
        (real.double(), fake.double()),
        (real, fake.double()),
        (wide[0, ::2, ::2], wide[1, :420:2, ::2]),
        (real.T.contiguous().T, fake.T.contiguous().T),
        (real.clone().requires_grad_(), fake),
        (real.numpy(), fake.numpy()),
    ]:
        assert numbers(law.call(real=a, fake=b)) == pytest.approx(numbers(expected), rel=1e-12)
    assert torch.equal(real, before[0])
    assert torch.equal(fake, before[1])
    assert torch.equal(torch.get_rng_state(), state)
    assert np.random.get_state()[1].tobytes() == numpy_state  # type: ignore[index]


@every
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_read_exactly(law: Law, dtype: torch.dtype):
    real, fake = (x.to(dtype) for x in clouds(2))
    expected = law.call(real=real.double(), fake=fake.double())
    found = law.call(real=real, fake=fake)
    assert numbers(found) == pytest.approx(numbers(expected), rel=1e-12)


@every
def test_real_and_fake_are_not_mixed_up(law: Law):
    real, fake = clouds(3)
    straight, swapped = law.call(real=real, fake=fake), law.call(real=fake, fake=real)
    if law.symmetric:
        assert numbers(swapped) == pytest.approx(numbers(straight), rel=1e-9)
    else:
        assert numbers(swapped) != pytest.approx(numbers(straight), rel=1e-3)
    with pytest.raises(TypeError):
        law.call(real, fake)


@every
def test_identical_sets(law: Law):
    real, _ = clouds(4)
    found = law.call(real=real, fake=real.clone())
    assert all(math.isfinite(value) for value in numbers(found))


@every
@pytest.mark.parametrize("which", ["real", "fake", "both"])
def test_collapsed_sets_have_a_value_or_a_reason(law: Law, which: str):
    real, fake = clouds(5)
    if which in ("real", "both"):
        real = real[:1].repeat(len(real), 1)
    if which in ("fake", "both"):
        fake = fake[:1].repeat(len(fake), 1)
    try:
        found = law.call(real=real, fake=fake)
    except InputError as error:
        assert "\n" not in str(error)
        assert str(error).startswith(("real", "fake"))
    else:
        assert all(math.isfinite(value) for value in numbers(found))


@every
def test_duplicates_and_constant_columns_have_a_value(law: Law):
    real, fake = clouds(6)
    real, fake = real.repeat_interleave(2, 0), fake.repeat_interleave(3, 0)
    real[:, 0] = fake[:, 0] = 7.0
    assert all(math.isfinite(value) for value in numbers(law.call(real=real, fake=fake)))


@every
@pytest.mark.parametrize("scale", [1e30, 1e200])
def test_huge_features_have_a_value_or_a_reason(law: Law, scale: float):
    real, fake = (x * scale for x in clouds(11))
    try:
        found = numbers(law.call(real=real, fake=fake))
    except InputError as error:
        assert re.match(r"real: values must lie within .* in row \d+$", str(error))
    else:
        # squares of most are beyond float64: where they enter, as units alone
        assert all(math.isfinite(value) for value in found)
        plain = [1.0, scale, scale**2] if scale < 1e100 else [1.0]
        expected = numbers(law.call(real=real / scale, fake=fake / scale))
        assert any(found == pytest.approx([x * unit for x in expected], rel=1e-6) for unit in plain)


@every
@pytest.mark.parametrize("argument", ["real", "fake"])
def test_bad_input_names_its_argument(law: Law, argument: str):
    given_sets: dict[str, Tensor] = dict(zip(("real", "fake"), clouds(7), strict=True))

    def refused(value: object) -> str:
        with pytest.raises(InputError) as caught:
            law.call(**{**given_sets, argument: value})
        line = str(caught.value)
        assert "\n" not in line
        assert argument in line.split(":")[0]
        return line

    good = given_sets[argument]
    for value in (math.nan, math.inf, -math.inf):
        bad = good.clone()
        bad[11, 2] = value
        assert "row 11" in refused(bad)
    assert "width" in refused(good[:, :3])
    assert "(230," in refused(good[:, 0]) or "(210," in refused(good[:, 0])
    assert "floating" in refused(good.long())
    refused(good[:0])
    refused("features.npy")


@every
def test_too_few_rows_are_refused_with_the_number_needed(law: Law):
    real, fake = clouds(8)
    for argument, rows in (("real", law.real_rows), ("fake", law.fake_rows)):
        enough = {"real": real, "fake": fake, argument: (real + 0.0)[:rows]}
        assert numbers(law.call(**enough))
        with pytest.raises(InputError, match=rf"^{argument}: .*\b{rows}\b.*got {rows - 1}\b"):
            law.call(**{**enough, argument: enough[argument][:-1]})


@every
def test_the_interval_holds_the_value_and_grows_with_its_level(law: Law):
    real, fake = clouds(9, 400, 300)
    plain = law.call(real=real, fake=fake)
    plain = plain[0] if law.call is metrics.kernel_distance else plain  # and its standard error
    narrow = law.estimate(real=real, fake=fake, level=0.5)
    wide = law.estimate(real=real, fake=fake, level=0.99)
    if isinstance(plain, float):
        plain, narrow, wide = (plain,), (narrow,), (wide,)
    checked = 0
    for value, a, b in zip(plain, narrow, wide, strict=True):
        if not hasattr(a, "low"):
            continue
        checked += 1
        assert a.value == b.value == pytest.approx(value, rel=1e-9)
        assert b.low <= a.low <= a.value <= a.high <= b.high
        assert b.high - b.low > a.high - a.low or a.standard_error == 0
    assert checked
    with pytest.raises(InputError, match="level"):
        law.estimate(real=real, fake=fake, level=1.0)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@every
@pytest.mark.parametrize("d", [2, 64, 512])
def test_a_gpu_gives_the_value_of_the_cpu(law: Law, d: int):
    real, fake = (x.float() for x in clouds(10, 600, 500, d))
    expected = numbers(law.call(real=real, fake=fake))
    # float64 sums in another order; counts are decided exactly
    assert numbers(law.call(real=real.cuda(), fake=fake.cuda())) == pytest.approx(
        expected, rel=1e-8
    )
