"""The digits features inside torch-fidelity: the same vectors, the same metrics."""

import importlib.util

import numpy as np
import pytest
import torch
import train_digits

from genbench.errors import InputError
from genbench.metrics.extractors import fidelity, open_extractor
from genbench.metrics.extractors.digits import OWN_WEIGHTS
from genbench.metrics.extractors.vision import import_fidelity

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("torch_fidelity") is None, reason="torch-fidelity is not installed"
)

IMAGES = train_digits.digits()[0][:, None].expand(-1, 3, -1, -1)  # (1797, 3, 8, 8)
REAL, FAKE = IMAGES[:400], IMAGES[400:700]


class Pictures(torch.utils.data.Dataset):
    """What torch-fidelity takes: (3, H, W) uint8 each."""

    def __init__(self, images):
        self.images = images

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.images[index]


def test_the_registered_extractor_gives_the_same_features():
    assert fidelity.register() == fidelity.register() == "genbench-digits"
    utils = importlib.import_module("torch_fidelity.utils")
    theirs = utils.create_feature_extractor(
        "genbench-digits",
        ["logits", "features"],
        cuda=False,
        verbose=False,
        feature_extractor_weights_path=str(OWN_WEIGHTS),
    )
    logits, features = theirs(FAKE)
    ours = open_extractor("digits")(FAKE)
    assert torch.equal(features, ours.features)
    assert ours.probabilities is not None
    assert logits.softmax(1).numpy() == pytest.approx(ours.probabilities.numpy(), abs=1e-6)


def test_torch_fidelity_computes_its_metrics_on_them():
    found = import_fidelity().calculate_metrics(
        input1=Pictures(REAL),
        input2=Pictures(FAKE),
        feature_extractor=fidelity.register(),
        fid=True,
        kid=True,
        isc=True,
        prc=True,
        kid_subset_size=100,
        cuda=False,
        verbose=False,
        save_cpu_ram=True,
        cache=False,
    )
    extract = open_extractor("digits")
    real, fake = (extract(x).features.double().numpy() for x in (REAL, FAKE))
    # Frechet distance of two Gaussians, the trace by the eigenvalues of the product
    a, b = np.cov(real, rowvar=False), np.cov(fake, rowvar=False)
    root = np.sqrt(np.abs(np.linalg.eigvals(a @ b))).sum()
    expected = ((real.mean(0) - fake.mean(0)) ** 2).sum() + np.trace(a + b) - 2 * root
    # eigenvalues of a product of covariances keep half the digits
    assert found["frechet_inception_distance"] == pytest.approx(expected, rel=1e-5)
    assert {"kernel_inception_distance_mean", "precision", "recall"} <= found.keys()
    assert 5 < found["inception_score_mean"] <= 10  # ten classes, read with certainty


def test_an_arithmetic_it_does_not_have_is_refused():
    fidelity.register()
    utils = importlib.import_module("torch_fidelity.utils")
    with pytest.raises(InputError, match="genbench-digits computes in float64, got 'float32'"):
        utils.create_feature_extractor(
            "genbench-digits",
            ["features"],
            cuda=False,
            verbose=False,
            feature_extractor_internal_dtype="float32",
        )
