"""The catalog of models, readable without torch, and the one way to make a model by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from genbench.catalog import Entry, look_up

if TYPE_CHECKING:
    from genbench.protocol import Model

__all__ = ["CATALOG", "create_model", "from_pretrained"]

CATALOG = {
    "autoencoder": Entry(
        "genbench.models.autoencoders.autoencoder:Autoencoder",
        "bottleneck of linear layers, squared error, Hinton 2006",
    ),
    "conv_autoencoder": Entry(
        "genbench.models.autoencoders.conv_autoencoder:ConvAutoencoder",
        "convolutions to a (64, 2, 2) code and back, for 28 x 28 pictures, Masci 2011",
    ),
    "sparse_autoencoder": Entry(
        "genbench.models.autoencoders.sparse_autoencoder:SparseAutoencoder",
        "L1 on a ReLU code, a dictionary of unit columns, Olshausen 1996",
    ),
    "denoising_autoencoder": Entry(
        "genbench.models.autoencoders.denoising_autoencoder:DenoisingAutoencoder",
        "noisy data in, clean data out, Vincent 2008",
    ),
    "masked_autoencoder": Entry(
        "genbench.models.autoencoders.masked_autoencoder:MaskedAutoencoder",
        "fills in what a mask hides, Vincent 2008",
    ),
    "gsn": Entry(
        "genbench.models.autoencoders.gsn:GSN",
        "a denoiser with a mixture head as a Markov chain, walk-back, Bengio 2013",
    ),
    "gan": Entry(
        "genbench.models.adversarial.gan:GAN",
        "generative adversarial network, any objective, Goodfellow 2014",
    ),
    "gan_two_class": Entry(
        "genbench.models.adversarial.gan:GAN",
        "one hidden layer of 128 a player, a logit for each class; a first GAN's",
        {
            "generator": "mlp_tanh",
            "critic": "mlp_two_class",
            "latent_dim": 100,
            "width": 128,
            "depth": 1,
            "slope": 0.01,
            "optimizer": "adagrad",
            "learning_rate": 0.1,
            "schedule": "constant",
        },
    ),
    "dcgan": Entry(
        "genbench.models.adversarial.gan:GAN",
        "deep convolutional GAN, Radford 2015",
        {
            "generator": "radford_generator",
            "critic": "radford_critic",
            "latent_dim": 100,
            "width": 32,
            "slope": 0.2,
            "learning_rate": 2e-4,
            "betas": (0.5, 0.999),
            "schedule": "constant",
        },
    ),
    "vae": Entry(
        "genbench.models.variational.vae:VAE",
        "variational autoencoder, Gaussian or Bernoulli decoder, Kingma 2013",
    ),
    "beta_vae": Entry(
        "genbench.models.variational.vae:VAE",
        "variational autoencoder with its KL weighted by beta, Higgins 2017",
        {"beta": 4.0},
    ),
    "hierarchical_vae": Entry(
        "genbench.models.variational.hierarchical_vae:HierarchicalVAE",
        "variational autoencoder of several levels, residual posteriors, after Vahdat 2020",
    ),
    "flow_vae": Entry(
        "genbench.models.variational.flow_vae:FlowVAE",
        "variational autoencoder with planar flows in its posterior, Rezende 2015",
    ),
    "ssl_vae": Entry(
        "genbench.models.variational.ssl_vae:SSLVAE",
        "semi-supervised variational autoencoder M2, Kingma 2014",
    ),
    "aae": Entry(
        "genbench.models.variational.aae:AAE",
        "adversarial autoencoder, codes shaped like any prior, Makhzani 2015",
    ),
    "caae": Entry(
        "genbench.models.variational.caae:CAAE",
        "conditional adversarial autoencoder, identity kept, attribute moved, Zhang 2017",
    ),
    "vae_gan": Entry(
        "genbench.models.variational.vae_gan:VAEGAN",
        "VAE whose reconstructions are judged by a discriminator's features, Larsen 2015",
    ),
    "vq_vae2": Entry(
        "genbench.models.variational.vq_vae2:VQVAE2",
        "codes on two levels and an autoregressive prior over both, Razavi 2019",
    ),
    "real_nvp": Entry(
        "genbench.models.flows.real_nvp:RealNVP",
        "affine coupling layers, exact density, Dinh 2016",
    ),
    "made": Entry(
        "genbench.models.autoregressive.made:MADE",
        "masked autoencoder, exact probabilities of binary pixels, Germain 2015",
    ),
    "ddpm": Entry(
        "genbench.models.diffusion.ddpm:DDPM",
        "denoising diffusion, a U-Net on pictures, Ho 2020",
    ),
    "ddim": Entry(
        "genbench.models.diffusion.ddim:DDIM",
        "the same network in fewer steps, encodes and decodes, Song 2020",
    ),
}


def create_model(name: str, *, data_shape: tuple[int, ...], **config: Any) -> Model:
    """A new model called `name` for samples of `data_shape`, on the CPU, in the default dtype.

    config: fields of the model's Config. Weights come from torch's global generator, as for any
    torch module. Raises InputError for an unknown name, field or value.
    """
    entry = look_up(CATALOG, name, argument="model")
    return entry.load().build(data_shape=data_shape, **{**entry.preset, **config})


def from_pretrained(folder: str | Path) -> Model:
    """The model that `save_pretrained` or `genbench train` left in `folder`, in evaluation mode.

    Loads without the compiled operations, and runs no code from the folder. Raises InputError.
    """
    from genbench.folder import load_config  # torch: not for the catalog

    config = load_config(Path(folder), argument="folder")
    entry = look_up(CATALOG, config.get("model"), argument=f"folder: '{folder}': model")
    return entry.load().from_pretrained(folder)
