"""The values of torch-fidelity on the same features, where its conventions are ours."""

import pytest
import torch

from genbench.errors import InputError
from genbench.metrics.extractors.vision import import_fidelity
from genbench.metrics.frechet import frechet_distance, frechet_distance_from_moments


@pytest.fixture(scope="module", autouse=True)
def fidelity():
    try:
        return import_fidelity()
    except InputError as error:
        pytest.skip(str(error))


def features(n, d, seed, dtype=torch.float64):
    """Correlated, of unequal spread and not centred, as a network's are."""
    rng = torch.Generator().manual_seed(seed)
    mixing = torch.randn(d, d, generator=torch.Generator().manual_seed(99), dtype=torch.float64)
    x = torch.randn(n, d, generator=rng, dtype=torch.float64) @ mixing / d**0.5
    return ((x + 0.05 * seed) * torch.logspace(0, -2, d, dtype=torch.float64)).abs().to(dtype)


def fidelity_frechet(real, fake):
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    one, two = fid_features_to_statistics(fake), fid_features_to_statistics(real)
    return fid_statistics_to_metric(one, two, False)["frechet_inception_distance"], one, two


@pytest.mark.parametrize(("n", "m", "d"), [(900, 700, 128), (3000, 2500, 64), (60, 90, 100)])
@pytest.mark.filterwarnings("ignore:frechet distance")
def test_frechet_distance(n, m, d):
    real, fake = features(n, d, 1), features(m, d, 2)
    theirs, one, two = fidelity_frechet(real, fake)
    assert frechet_distance(real=real, fake=fake) == pytest.approx(theirs, rel=1e-6)
    if n > d:
        pair = {"real": (two["mu"], two["sigma"]), "fake": (one["mu"], one["sigma"])}
        assert frechet_distance_from_moments(**pair) == pytest.approx(theirs, rel=1e-9)


def test_frechet_distance_of_float32_features():
    real, fake = features(3000, 64, 1, torch.float32), features(2500, 64, 2, torch.float32)
    ours = frechet_distance(real=real, fake=fake)
    wide, *_ = fidelity_frechet(real.double(), fake.double())
    assert ours == pytest.approx(wide, rel=1e-9)
    # they sum the means of float32 features in float32: 3000 terms, and the distance is their gap
    narrow, *_ = fidelity_frechet(real, fake)
    assert ours == pytest.approx(narrow, rel=1e-4) and ours != pytest.approx(narrow, rel=1e-7)
