"""What each system must reach before it counts as working; the catalog is readable without torch.

An entry loads to `bars(lab) -> Iterable[Bar]`: it trains the system on embedded data through the
laboratory and judges what came out. Sources of the bars: each file's first line.
"""

from __future__ import annotations

from genbench.catalog import Entry

__all__ = ["BARS"]

_ROOM = "genbench.studies.bars."

BARS: dict[str, Entry] = {
    "autoencoder": Entry(_ROOM + "autoencoder:bars", "against PCA, over code sizes; random codes"),
    "conv_autoencoder": Entry(_ROOM + "conv_autoencoder:bars", "PSNR; classes on a t-SNE map"),
    "denoising_autoencoder": Entry(
        _ROOM + "denoising_autoencoder:bars", "noise taken away, hidden pixels filled in"
    ),
    "gsn": Entry(_ROOM + "gsn:bars", "from one mode to all modes of the ring"),
    "sparse_autoencoder": Entry(
        _ROOM + "sparse_autoencoder:bars", "silent numbers against the plain code's; their price"
    ),
    "probe": Entry(_ROOM + "probe:bars", "codes against pixels, encoders against fresh weights"),
    "gan": Entry(_ROOM + "gan:bars", "Frechet distance falls, classes held"),
    "gan_two_class": Entry(_ROOM + "gan:two_class_bars", "Frechet distance falls, classes held"),
    "dcgan": Entry(_ROOM + "dcgan:bars", "arithmetic of latents; a probe of the critic"),
    "vae": Entry(_ROOM + "vae:bars", "bounds in order, above a Gaussian; samples"),
    "beta_vae": Entry(_ROOM + "beta_vae:bars", "KL along beta; mutual-information gap"),
    "hierarchical_vae": Entry(
        _ROOM + "hierarchical_vae:bars", "above a flat VAE; every level in use"
    ),
    "flow_vae": Entry(_ROOM + "flow_vae:bars", "determinants; a curved posterior"),
    "ssl_vae": Entry(_ROOM + "ssl_vae:bars", "ten labels a class against labels alone"),
    "aae": Entry(_ROOM + "aae:bars", "codes on ten modes and on a swiss roll"),
    "caae": Entry(_ROOM + "caae:bars", "ink as asked for, class kept"),
    "vae_gan": Entry(_ROOM + "vae_gan:bars", "sharper than a VAE; samples above baselines"),
    "vq_vae2": Entry(_ROOM + "vq_vae2:bars", "codes in use, error, samples of the prior"),
    "real_nvp": Entry(_ROOM + "real_nvp:bars", "known entropies, inverses, the integral"),
    "made": Entry(_ROOM + "made:bars", "sums to one; nats below logistic regressions"),
    "ddpm": Entry(_ROOM + "ddpm:bars", "modes of ring and grid; digits' Frechet distance"),
    "ddim": Entry(_ROOM + "ddim:bars", "50 steps beside 1000; there and back"),
}
