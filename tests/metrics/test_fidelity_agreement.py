"""The values of torch-fidelity on the same features, where its conventions are ours."""

import pytest
import torch

from genbench.errors import InputError
from genbench.metrics.extractors.vision import import_fidelity
from genbench.metrics.frechet import frechet_distance, frechet_distance_from_moments
from genbench.metrics.kernel import kernel_distance_subsets
from genbench.metrics.predictions import inception_score


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


@pytest.mark.parametrize(("n", "m"), [(300, 300), (400, 250)])
@pytest.mark.parametrize("seed", [2020, 7])
def test_kernel_distance_of_the_same_subsets(n, m, seed):
    from torch_fidelity.metric_kid import kid_features_to_metric

    real, fake = features(n, 32, 1), features(m, 32, 2)
    options = {"kid_subsets": 20, "kid_subset_size": 200, "rng_seed": seed, "verbose": False}
    theirs = kid_features_to_metric(fake, real, **options)  # input1 is what was generated
    ours = kernel_distance_subsets(real=real, fake=fake, subsets=20, subset_size=200, seed=seed)
    assert ours.mean == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-6)
    # deviations of values that they have to 1e-15 of kernel values around 1
    assert ours.std == pytest.approx(theirs["kernel_inception_distance_std"], rel=1e-6)
    swapped = kernel_distance_subsets(real=fake, fake=real, subsets=20, subset_size=200, seed=seed)
    assert swapped.mean != pytest.approx(ours.mean, rel=1e-6)  # other subsets


@pytest.mark.parametrize(("splits", "n"), [(10, 203), (1, 50), (3, 50)])
@pytest.mark.parametrize("shuffle", [True, False])
def test_inception_score(splits, n, shuffle):
    from torch_fidelity.metric_isc import isc_features_to_metric

    rng = torch.Generator().manual_seed(n)
    logits = 4 * torch.randn(n, 12, generator=rng) + 3 * torch.arange(n)[:, None] / n
    theirs = isc_features_to_metric(logits, splits, shuffle, 2020)
    seed = 2020 if shuffle else None
    ours = inception_score(logits.double().softmax(dim=1), splits=splits, seed=seed)
    assert ours.mean == pytest.approx(theirs["inception_score_mean"], rel=1e-9)
    assert ours.std == pytest.approx(theirs["inception_score_std"], rel=1e-6, abs=1e-12)
    # float32 probabilities, as an extractor gives them: 1e-7 each
    narrow = inception_score(logits.softmax(dim=1), splits=splits, seed=seed)
    assert narrow.mean == pytest.approx(theirs["inception_score_mean"], rel=1e-6)
