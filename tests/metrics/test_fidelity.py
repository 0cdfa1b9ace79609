"""The digits features inside torch-fidelity: the same vectors, the same metrics."""

import importlib.util

import pytest
import torch
import train_digits

from genbench.errors import InputError
from genbench.metrics import frechet_distance, precision_recall
from genbench.metrics.extractors import fidelity, open_extractor
from genbench.metrics.extractors.digits import OWN_WEIGHTS
from genbench.metrics.extractors.vision import import_fidelity

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("torch_fidelity") is None, reason="torch-fidelity is not installed"
)

IMAGES = train_digits.digits()[0][:, None].expand(-1, 3, -1, -1)  # (1797, 3, 8, 8)
REAL, FAKE = IMAGES[:400], IMAGES[400:560]


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
        input1=Pictures(FAKE),
        input2=Pictures(REAL),
        feature_extractor=fidelity.register(),
        fid=True,
        kid=True,
        isc=True,
        prc=True,
        kid_subset_size=50,
        cuda=False,
        verbose=False,
        save_cpu_ram=True,
        cache=False,
    )
    extract = open_extractor("digits")
    real, fake = (extract(x).features for x in (REAL, FAKE))
    distance = frechet_distance(real=real, fake=fake)
    # torch-fidelity takes the root of a product of covariances, which keeps half the digits
    assert found["frechet_inception_distance"] == pytest.approx(distance, rel=1e-6)
    ours = precision_recall(real=real, fake=fake, k=3)
    # shares as float32 means
    assert found["precision"] == pytest.approx(ours.precision, rel=1e-6)
    assert found["recall"] == pytest.approx(ours.recall, rel=1e-6)
    assert ours.precision != ours.recall
    assert "kernel_inception_distance_mean" in found
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
