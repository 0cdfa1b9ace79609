"""Stock networks that models share, by name; the catalog is readable without torch.

An entry loads to `make(input_shape, output_shape, *, width, depth, slope=0.0) -> torch.nn.Module`:
x (n, *input_shape) -> (n, *output_shape), weights from torch's global generator.
"""

from __future__ import annotations

from genbench.catalog import Entry

__all__ = ["NETWORKS"]

NETWORKS = {
    "mlp": Entry("genbench.nets.mlp:MLP", "linear layers, LeakyReLU(slope) between"),
    "mlp_tanh": Entry("genbench.nets.mlp:TanhMLP", "the same, Tanh at its end"),
    "mlp_two_class": Entry(
        "genbench.nets.mlp:TwoClassMLP", "a critic with a logit for each class, real and fake"
    ),
    "mlp_batch_norm": Entry(
        "genbench.nets.mlp_batch_norm:MLPBatchNorm",
        "batch norm and ReLU between linear layers; PacGAN's generator, Lin 2018",
    ),
    "maxout": Entry(
        "genbench.nets.maxout:MaxoutMLP",
        "maxout of 5 pieces; PacGAN's critic, Goodfellow 2013",
    ),
    "dcgan_generator": Entry(
        "genbench.nets.dcgan:DCGANGenerator",
        "transposed convolutions to images in [-1, 1], Radford 2015",
    ),
    "dcgan_critic": Entry("genbench.nets.dcgan:DCGANCritic", "strided convolutions, Radford 2015"),
    "radford_generator": Entry(
        "genbench.nets.radford:RadfordGenerator",
        "4x4 kernels, no linear layer, sizes multiples of 2^depth, Radford 2015",
    ),
    "radford_critic": Entry(
        "genbench.nets.radford:RadfordCritic", "4x4 kernels, one linear layer, Radford 2015"
    ),
}
