"""Inception through torch-fidelity: the same features, and no code run from a weights file."""

import functools
import importlib.util
import os
import pickle

import pytest
import torch

from genbench import files
from genbench.errors import InputError
from genbench.metrics.extractors import inception, open_extractor
from genbench.metrics.extractors.vision import import_fidelity

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("torch_fidelity") is None, reason="torch-fidelity is not installed"
)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file as the published one, with random weights that keep the activations' scale."""
    path = tmp_path_factory.mktemp("inception") / inception.FILE
    state = inception._empty_net(import_fidelity()).state_dict()
    rng = torch.Generator().manual_seed(0)
    for name, empty in state.items():
        if empty.ndim > 1:  # kernels: He 2015, arXiv 1502.01852
            scale = (2 / empty[0].numel()) ** 0.5
            state[name] = scale * torch.randn(empty.shape, generator=rng)
        else:
            one = name.endswith((".bn.weight", "running_var"))
            state[name] = torch.full(empty.shape, int(one), dtype=empty.dtype)
    torch.save(state, path)
    yield path
    path.unlink()  # 95 MB


@pytest.fixture
def accepted(monkeypatch):
    """Makes the content of a file count as the published weights."""

    def accept(path):
        prefix = files.sha256(path.read_bytes())[:8]
        monkeypatch.setattr(inception, "SHA256_PREFIX", prefix)
        return path

    return accept


def pictures(n, channels=3):
    rng = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (n, channels, 20, 24), generator=rng, dtype=torch.uint8)


def test_features_are_those_of_torch_fidelity(weights, accepted):
    images = pictures(1, channels=1)
    layers = ["2048", "logits_unbiased"]
    theirs = import_fidelity().FeatureExtractorInceptionV3(
        "theirs", layers, feature_extractor_weights_path=str(weights)
    )
    features, logits = theirs(images.expand(-1, 3, -1, -1))
    state = torch.get_rng_state()
    extract = open_extractor("inception", weights=accepted(weights))
    assert torch.equal(torch.get_rng_state(), state)
    found = extract(images)
    assert features.std() > 0.1  # something is left to compare
    assert found.features.numpy() == pytest.approx(features.numpy(), rel=1e-6, abs=1e-6)
    assert found.probabilities is not None
    likelihood = logits.double().softmax(1)
    assert found.probabilities.numpy() == pytest.approx(likelihood.numpy(), rel=1e-6, abs=1e-7)
    assert extract.conventions["weights_sha256"] == files.sha256(weights.read_bytes())
    assert extract(images[:0]).features.shape == (0, 2048)


@pytest.mark.slow
def test_neither_batches_nor_threads_change_a_bit(weights, accepted):
    images = pictures(34)
    extract, before = (
        open_extractor("inception", weights=accepted(weights)),
        torch.get_num_threads(),
    )
    try:
        torch.set_num_threads(1)
        features = extract(images).features
        assert torch.equal(torch.cat([extract(x).features for x in images.split(9)]), features)
        torch.set_num_threads(2)
        assert torch.equal(extract(images).features, features)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.cuda
def test_a_gpu_gives_the_features_to_rounding(weights, accepted):
    images = pictures(3)
    here = open_extractor("inception", weights=accepted(weights))(images)
    there = open_extractor("inception", weights=accepted(weights), device="cuda")(images.cuda())
    assert there.features.device.type == "cpu"
    # float32 through 94 convolutions; TF32 would be off by 1e-3
    assert there.features.numpy() == pytest.approx(here.features.numpy(), rel=1e-4, abs=1e-4)


def test_missing_weights_are_told_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    with pytest.raises(InputError) as caught:
        open_extractor("inception")
    place = tmp_path / "hub" / "checkpoints" / "weights-inception-2015-12-05-6726825d.pth"
    assert str(caught.value) == (
        f"features: inception needs its weights, and there is no file '{place}': get "
        "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
        f"weights-inception-2015-12-05-6726825d.pth, put it at '{place}' or name it (--weights); "
        "--features digits and raw need none"
    )


def test_weights_are_found_where_torch_hub_puts_them(weights, accepted, monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    (tmp_path / "hub" / "checkpoints" / inception.FILE).symlink_to(accepted(weights))
    assert open_extractor("inception").name == "inception"


def trap(path, marker):
    """A checkpoint whose unpickling makes the file `marker`."""

    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(marker),)

    torch.save({"fc.weight": Trap()}, path)
    return path


def test_a_malicious_file_runs_nothing(tmp_path, accepted):
    marker = tmp_path / "ran"
    path = trap(tmp_path / "weights.pth", marker)
    with pytest.raises(InputError, match=r"must have a sha256 that begins with 6726825d, got "):
        open_extractor("inception", weights=path)
    with pytest.raises(InputError, match="holds no weights of Inception: ") as caught:
        open_extractor("inception", weights=accepted(path))
    assert "\n" not in str(caught.value)
    assert not marker.exists()
    torch.load(path, weights_only=False)
    assert marker.exists()  # the trap is one


@pytest.mark.parametrize(
    "content",
    [
        lambda weights: weights.read_bytes()[:1000],
        lambda weights: b"",
        lambda weights: pickle.dumps({"fc.weight": [1.0]}, 2),
        lambda weights: pickle.dumps([1, 2], 2),
        lambda weights: pickle.dumps(functools.partial(print), 2),
    ],
    ids=["cut short", "empty", "no tensor", "no state", "an object"],
)
def test_what_is_no_weights_is_refused_in_one_line(content, weights, tmp_path, accepted):
    path = tmp_path / "weights.pth"
    path.write_bytes(content(weights))
    with pytest.raises(InputError, match=r"must have a sha256 that begins with 6726825d") as one:
        open_extractor("inception", weights=path)
    assert "\n" not in str(one.value)
    with pytest.raises(InputError, match=r"weights: '.*weights.pth' ") as two:
        open_extractor("inception", weights=accepted(path))
    assert "\n" not in str(two.value)


def test_a_file_too_large_is_not_read(tmp_path):
    path = tmp_path / "weights.pth"
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(InputError, match="6726825d, got 1099511627776 bytes of something else"):
        open_extractor("inception", weights=path)
