"""Folders of trained systems: any model back by its name, damage refused, nothing executed."""

import json
import subprocess
import sys

import pytest
import torch

from genbench import create_model, from_pretrained
from genbench.errors import InputError
from genbench.models.adversarial.gan import GAN

SHAPE = (1, 8, 8)


@pytest.fixture
def folder(tmp_path):
    create_model("autoencoder", data_shape=SHAPE, latent_dim=2).save_pretrained(tmp_path / "m")
    return tmp_path / "m"


def change(folder, **fields):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


@pytest.mark.parametrize(
    "loss", ["non_saturating", "wasserstein_gp+packing2", "hinge+spectral_norm"]
)
def test_a_gan_comes_back(loss, tmp_path):
    model = create_model("gan", data_shape=(2,), loss=loss, width=8, betas=(0.5, 0.9))
    model.save_pretrained(tmp_path)
    again = from_pretrained(tmp_path)
    assert isinstance(again, GAN) and again.config == model.config and not again.training
    samples = [m.eval().sample(5, torch.Generator().manual_seed(0)) for m in (model, again)]
    assert torch.equal(*samples)


@pytest.mark.parametrize("player", ["generator", "critic"])
def test_what_no_config_describes_is_not_written(player, tmp_path):
    size = 2 if player == "generator" else 1
    model = create_model("gan", data_shape=(2,), **{player: lambda: torch.nn.Linear(2, size)})
    with pytest.raises(InputError, match="model: networks of its own cannot be written"):
        model.save_pretrained(tmp_path / "m")
    own = create_model("gan", data_shape=(2,), loss=lambda critic, **kw: critic(kw["real"]).mean())
    with pytest.raises(InputError, match="model: the function 'loss' cannot be written"):
        own.save_pretrained(tmp_path / "m")
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"model": "vea"}, "unknown name 'vea'"),
        ({"model": ["autoencoder"]}, "unknown name"),
        ({"model": "gan"}, "gan has no field"),
        ({"width": 3}, "autoencoder has no field 'width'"),
        ({"latent_dim": 5}, "does not fit its config.json"),
        ({"latent_dim": -1}, "latent_dim must be a whole number of at least 1, got -1"),
        ({"sha256": "0"}, "is damaged: its sha256 is"),
        ({"data_shape": [1, 9, 9]}, "does not fit its config.json"),
    ],
)
def test_a_changed_config_is_refused(fields, match, folder):
    change(folder, **fields)
    with pytest.raises(InputError, match=match):
        from_pretrained(folder)


def test_damaged_and_missing_files_are_refused(folder, tmp_path):
    content = (folder / "model.safetensors").read_bytes()
    for damaged in (content[:-1], b"", content[:100] + b"\xff" + content[101:]):
        (folder / "model.safetensors").write_bytes(damaged)
        with pytest.raises(InputError, match="is damaged"):
            from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(InputError, match="cannot read"):
        from_pretrained(folder)
    with pytest.raises(InputError, match="is not a folder"):
        from_pretrained(tmp_path / "nowhere")


def test_another_class_refuses_the_folder(folder):
    with pytest.raises(InputError, match="holds the model 'autoencoder', not 'gan'"):
        GAN.from_pretrained(folder)


def test_it_loads_where_no_extension_can(folder):
    code = (
        "import sys; sys.modules['genbench._build'] = None\n"
        "import torch; from genbench import from_pretrained\n"
        "from genbench.ops.backend import active\n"
        f"model = from_pretrained({str(folder)!r})\n"
        "x = model.sample(3, torch.Generator().manual_seed(0))\n"
        "print(tuple(x.shape), active())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "(3, 1, 8, 8) reference", done.stderr
