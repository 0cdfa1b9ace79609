"""Pictures of trained systems: the numbers beside them by hand, ends of lines, what is refused."""

import io
import json
import math

import numpy as np
import pytest
import torch
from PIL import Image

from genbench import from_pretrained
from genbench.cli import main
from genbench.commands.explore import LINES
from genbench.data import open_dataset
from genbench.errors import InputError
from genbench.report.sheets import sheet_png
from genbench.studies.explore import EXPLORATIONS, Explorer, explore
from genbench.studies.training import train

CAN = ("reconstruct", "interpolate", "traverse", "manifold", "impute", "latents", "nearest")


def labels(part):
    return np.asarray(part.labels)


@pytest.fixture(scope="module")
def vae(tmp_path_factory):
    out = tmp_path_factory.mktemp("vae") / "run"
    train("vae", data="digits", out=out, steps=40, evaluations=1, config={"latent_dim": 2})
    return out


@pytest.fixture(scope="module")
def denoiser(tmp_path_factory):
    out = tmp_path_factory.mktemp("denoiser") / "run"
    train("denoising_autoencoder", data="digits", out=out, steps=40, evaluations=1)
    return out


@pytest.mark.parametrize("name", CAN)
def test_each_leaves_a_picture_and_its_numbers(name, vae, tmp_path, capsys):
    assert main([name, str(vae), "--data", "digits", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / f"{name}.json").read_text())
    printed = capsys.readouterr().out
    assert all(f"{key}: " in printed for key in found) and f"{name}.png" in printed
    assert Image.open(tmp_path / f"{name}.png").size > (90, 90)


def test_every_exploration_has_a_command():
    assert list(LINES) == list(EXPLORATIONS)


def test_a_reconstructions_error_is_that_of_its_rows(vae, tmp_path):
    found = explore("reconstruct", vae, data="digits", out=tmp_path, n=360)
    model, x = from_pretrained(vae / "model"), open_dataset("digits").test.all().x
    again = model.reconstruct(x).double()
    assert found == {"rows": 360, "mse": pytest.approx(((again - x) ** 2).mean().item(), rel=1e-5)}


def test_lines_end_on_reconstructions(vae, tmp_path):
    explore("interpolate", vae, data="digits", out=tmp_path, n=2, steps=3)
    it = Explorer(vae, data="digits")
    ends = it.model.reconstruct(it.rows(4)).numpy()
    sheet = np.asarray(Image.open(tmp_path / "interpolate.png")).astype(int)
    wanted = np.asarray(Image.open(io.BytesIO(sheet_png([ends[:2], ends[2:]])))).astype(int)
    # two lines of three: starts in the first column, ends in the last
    starts, stops = sheet[:, :48], sheet[:, -48:]
    for line in (0, 1):
        rows = slice(49 * line, 49 * line + 48)
        assert abs(starts[rows] - wanted[:48, 49 * line : 49 * line + 48]).max() <= 1  # rounding
        assert abs(stops[rows] - wanted[49:, 49 * line : 49 * line + 48]).max() <= 1


@pytest.mark.parametrize(("hidden", "share"), [("lower", 0.5), ("square", 0.25), ("random", 0.5)])
def test_what_is_visible_stays(hidden, share, vae, tmp_path, monkeypatch):
    it = Explorer(vae, data="digits")
    seen = {}

    def impute(x, mask, rng):
        seen.update(x=x, mask=mask)
        return torch.where(mask, x, x + 0.25)

    monkeypatch.setattr(it.model, "impute", impute)
    found = EXPLORATIONS["impute"](it, tmp_path, n=50, hidden=hidden)
    assert found["mse_hidden"] == pytest.approx(0.0625, rel=1e-5)
    hidden_share = (~seen["mask"]).double().mean().item()
    # 3,200 fair coins: five deviations are .044
    assert hidden_share == pytest.approx(share, abs=0.044 if hidden == "random" else 0)


def test_denoising_gains_what_its_errors_say(denoiser, tmp_path, monkeypatch):
    it = Explorer(denoiser, data="digits")
    monkeypatch.setattr(it.model, "denoise", lambda x: x / 2)
    found = EXPLORATIONS["denoise"](it, tmp_path, n=300, noise=2.0)
    x = open_dataset("digits").test.all().x.double()
    # E |x / 2 + n / 2 - x|^2 = E x^2 / 4 + 1 against E n^2 = 4; 19,200 values
    wanted = 10 * math.log10(4 / (x.square().mean().item() / 4 + 1))
    assert found["gain_db"] == pytest.approx(wanted, abs=0.2)
    real = explore("denoise", denoiser, data="digits", out=tmp_path)
    assert set(real) == {"rows", "gain_db"} and real["rows"] == 16


def test_neighbours_are_counted_by_hand(vae, tmp_path):
    found = explore("nearest", vae, data="digits", out=tmp_path, seed=3)
    data = open_dataset("digits")
    train_x, test_x = (
        part.all().x.flatten(1).numpy().astype(np.float64) for part in (data.train, data.test)
    )
    train_y, test_y = labels(data.train), labels(data.test)
    hits = [
        train_y[np.argsort(((train_x - row) ** 2).sum(1), kind="stable")[:5]] == label
        for row, label in zip(test_x, test_y, strict=True)
    ]
    assert found["precision_at_5_raw"] == pytest.approx(np.mean(hits), abs=2e-3)  # ties
    assert 0.2 < found["precision_at_5_code"] < 1


def test_codes_of_two_coordinates_are_shown_as_they_are(vae, tmp_path):
    from sklearn.model_selection import LeaveOneOut, cross_val_score
    from sklearn.neighbors import KNeighborsClassifier

    found = explore("latents", vae, data="digits", out=tmp_path)
    test = open_dataset("digits").test.all()
    z = from_pretrained(vae / "model").encode(test.x).numpy()
    each = cross_val_score(KNeighborsClassifier(5), z, labels(test), cv=LeaveOneOut())
    assert found["dimensions"] == 2 and found["accuracy_5nn"] == pytest.approx(
        each.mean(), abs=0.01
    )


@pytest.mark.parametrize(
    ("name", "options", "line"),
    [
        ("denoise", {}, "model: VAE cannot denoise"),
        ("reconstruct", {"data": "ring8"}, r"data: the model takes rows of shape \(1, 8, 8\)"),
        ("reconstruct", {"size": 16}, r"ring8|digits has \(1, 16, 16\)"),
        ("reconstruct", {"n": 0}, "n: must be at least 1, got 0"),
        ("impute", {"hidden": "left"}, "hidden: must be random, or lower or square"),
    ],
)
def test_bad_input_is_one_line(name, options, line, vae, tmp_path):
    with pytest.raises(InputError, match=line):
        explore(name, vae, **{"data": "digits", "out": tmp_path, **options})


def test_a_noise_below_zero_and_a_wide_code_are_refused(denoiser, tmp_path):
    with pytest.raises(InputError, match="noise: must be above 0, got -1"):
        explore("denoise", denoiser, data="digits", out=tmp_path, noise=-1)
    with pytest.raises(InputError, match="model: must have latent_dim 2, got"):
        explore("manifold", denoiser, data="digits", out=tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="out: cannot write"):
        explore("reconstruct", denoiser, data="digits", out=tmp_path / "file" / "x")


def test_sheets_of_vectors():
    rng = np.random.default_rng(0)
    points, waves = rng.standard_normal((5, 2)), rng.standard_normal((5, 30))
    assert Image.open(io.BytesIO(sheet_png([points, points]))).width > 500
    assert sheet_png([waves]).startswith(b"\x89PNG")
