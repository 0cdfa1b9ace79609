"""VQ-VAE-2: codes on two levels and a prior over both. Razavi et al. 2019, arXiv 1906.00446.

Algorithm 1: the encoder halves a picture to a bottom grid and this to a top grid. The top is
quantised, decoded, and joined to the bottom before that is quantised; the decoder sees both. E and
D minimise |x - D(e)|^2 + beta |z - sg(e)|^2 on both levels (equation 2), codebooks follow by moving
averages. Algorithm 2: p(top), and p(bottom | top), are autoregressive; a sample is drawn from them
and decoded. The prior learns beside the codes, without a gradient to them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genbench import ops
from genbench.base import BaseModel, check_x
from genbench.config import bounded, check, make_config
from genbench.errors import InputError
from genbench.nets.masked import CausalGrid
from genbench.nets.quantiser import Quantiser
from genbench.protocol import Batch, OptimizerSpec

BLOCK = 2**11  # samples drawn at once


@dataclass(frozen=True)
class Config:
    """codes: of each level's codebook, of code_dim numbers. beta: of the commitment (section 2.1).

    The paper's codebooks have 512 codes of 64 numbers; here they fit small pictures.
    """

    data_shape: tuple[int, ...] = bounded(low=1)
    codes: int = bounded(64, low=2)
    code_dim: int = bounded(16, low=1)
    beta: float = bounded(0.25, low=0)
    decay: float = bounded(0.99, low=0, below=1)
    width: int = bounded(64, low=1)
    prior_width: int = bounded(64, low=1)
    prior_depth: int = bounded(4, low=1)
    learning_rate: float = bounded(1e-3, above=0)
    prior_rate: float = bounded(1e-3, above=0)
    betas: tuple[float, float] = bounded((0.9, 0.999), low=0, below=1)
    schedule: Literal["constant", "cosine"] = "cosine"

    def __post_init__(self) -> None:
        check(self)
        if len(self.data_shape) != 3 or any(size % 4 for size in self.data_shape[1:]):
            raise InputError(
                "data_shape must be (channels, height, width), sizes multiples of 4, got "
                f"{self.data_shape}"
            )


class Codes(NamedTuple):
    """Numbers of codes, int64: top (n, height / 4, width / 4), bottom twice as fine."""

    top: Tensor
    bottom: Tensor


class Residual(nn.Module):
    """x + convolutions of x, (n, width, height, columns)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        first, second = nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, width, 1)
        self.layers = nn.Sequential(nn.ReLU(), first, nn.ReLU(), second)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def _down(channels: int, width: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(channels, width, 4, 2, 1), Residual(width), nn.ReLU())


def _up(channels: int, width: int, out: int) -> nn.Module:
    start, end = nn.Conv2d(channels, width, 3, padding=1), nn.ConvTranspose2d(width, out, 4, 2, 1)
    return nn.Sequential(start, Residual(width), nn.ReLU(), end)


class Hierarchy(nn.Module):
    """Both encoders, both codebooks and both decoders."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        channels, width, d = config.data_shape[0], config.width, config.code_dim
        self.bottom_encoder, self.top_encoder = _down(channels, width), _down(width, width)
        self.to_top, self.to_bottom = nn.Conv2d(width, d, 1), nn.Conv2d(2 * width, d, 1)
        self.top_decoder, self.upsample = _up(d, width, width), nn.ConvTranspose2d(d, d, 4, 2, 1)
        self.decoder = nn.Sequential(_up(2 * d, width, channels), nn.Tanh())
        sizes = {"decay": config.decay}
        self.top, self.bottom = (Quantiser(config.codes, d, **sizes) for _ in range(2))

    def before(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x -> the bottom's features (n, width, ...) and the top's vectors (n, code_dim, ...)."""
        features = self.bottom_encoder(x)
        return features, self.to_top(self.top_encoder(features))

    def join(self, features: Tensor, e_top: Tensor) -> Tensor:
        """The bottom's vectors (n, code_dim, ...), which know the top's codes."""
        return self.to_bottom(torch.cat([features, self.top_decoder(e_top)], 1))

    def decode(self, e_top: Tensor, e_bottom: Tensor) -> Tensor:
        """Codes of both levels -> pictures in [-1, 1]."""
        return self.decoder(torch.cat([self.upsample(e_top), e_bottom], 1))

    def codes(self, x: Tensor) -> Codes:
        """The nearest codes, and nothing kept of them."""
        features, z = self.before(x)
        top = self.top.nearest(z)
        return Codes(top, self.bottom.nearest(self.join(features, self.top.look_up(top))))


class CodePrior(nn.Module):
    """Logits (n, codes, ...) of each code given those before it, the bottom's also given the top.

    Every position of the top is before every one of the bottom.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        k, width, sizes = config.codes, config.prior_width, {"depth": config.prior_depth}
        self.top_in, self.bottom_in = nn.Embedding(k, width), nn.Embedding(k, width)
        self.top, self.bottom = (CausalGrid(width, k, **sizes) for _ in range(2))
        around = nn.Conv2d(width, width, 3, padding=1)
        self.given = nn.Sequential(around, nn.ReLU(), nn.Upsample(scale_factor=2))
        self.where = nn.ParameterList(
            nn.Parameter(torch.zeros(width, config.data_shape[1] // s, config.data_shape[2] // s))
            for s in (4, 2)
        )

    def top_logits(self, top: Tensor) -> Tensor:
        x = self.top_in(top).movedim(-1, 1)
        return self.top(x, self.where[0].expand_as(x))

    def bottom_logits(self, top: Tensor, bottom: Tensor) -> Tensor:
        above = self.given(self.top_in(top).movedim(-1, 1))
        return self.bottom(self.bottom_in(bottom).movedim(-1, 1), above + self.where[1])


class VQVAE2(BaseModel):
    """hierarchy: pictures to codes and back; prior: of codes."""

    name = "vq_vae2"
    Config = Config
    phases = ("autoencoder", "prior")

    def __init__(self, config: Config, hierarchy: Hierarchy, prior: CodePrior) -> None:
        super().__init__(config)
        self.hierarchy, self.prior = hierarchy, prior

    @classmethod
    def build(cls, **options: Any) -> Self:
        """Networks of the Config's sizes."""
        c = make_config(cls.Config, options, name=cls.name)
        return cls(c, Hierarchy(c), CodePrior(c))

    def phase_parameters(self, phase: str) -> Iterable[nn.Parameter]:
        """Those of the hierarchy in "autoencoder", else the prior's."""
        return (self.prior if phase == "prior" else self.hierarchy).parameters()

    def optimizer(self, phase: str) -> OptimizerSpec:
        """Adam; the prior has a rate of its own."""
        c = self.config
        rate = c.prior_rate if phase == "prior" else c.learning_rate
        return OptimizerSpec("adam", rate, {"betas": c.betas}, schedule=c.schedule)

    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        """batch.x (n, *data_shape): squared error and commitment, or nats of a picture's codes."""
        x, h = batch.x, self.hierarchy
        check_x(x, self.config.data_shape, within=False)
        if phase == "prior":
            with torch.no_grad():
                codes = h.codes(x)
            top, bottom = (nats.mean() for nats in self._nats(codes))
            return {"loss": top + bottom, "top": top, "bottom": bottom}
        features, z_top = h.before(x)
        e_top, commit_top, used_top = h.top(z_top, ops.fold_seed(batch.seed, 0))
        z_bottom = h.join(features, e_top)
        e_bottom, commit_bottom, used_bottom = h.bottom(z_bottom, ops.fold_seed(batch.seed, 1))
        error = (h.decode(e_top, e_bottom) - x).square().mean()
        commitment = commit_top + commit_bottom
        terms = {"error": error, "commitment": commitment}
        terms |= {"perplexity_top": used_top, "perplexity_bottom": used_bottom}
        return {"loss": error + self.config.beta * commitment, **terms}

    def after_update(self, phase: str) -> None:
        """Both codebooks follow the batch that the autoencoder has seen."""
        if phase == "autoencoder":
            self.hierarchy.top.move()
            self.hierarchy.bottom.move()

    def _nats(self, codes: Codes) -> tuple[Tensor, Tensor]:
        """-log p of the top's codes (n,), and of the bottom's given them (n,)."""
        top, bottom = self.prior.top_logits(codes.top), self.prior.bottom_logits(*codes)
        pairs = ((top, codes.top), (bottom, codes.bottom))
        first, second = (F.cross_entropy(*pair, reduction="none").sum((1, 2)) for pair in pairs)
        return first, second

    @torch.no_grad()
    def codes(self, x: Tensor) -> Codes:
        """x (n, *data_shape) -> its codes on both levels."""
        check_x(x, self.config.data_shape)
        return self.hierarchy.codes(x)

    @torch.no_grad()
    def code_bits(self, x: Tensor) -> Tensor:
        """(n,): bits that the prior needs for a picture's codes; decoding them is lossy."""
        top, bottom = self._nats(self.codes(x))
        return (top + bottom) / torch.log(torch.tensor(2.0))

    @torch.no_grad()
    def decode(self, codes: Codes) -> Tensor:
        """Codes -> pictures (n, *data_shape) in [-1, 1]."""
        h = self.hierarchy
        return h.decode(h.top.look_up(codes.top), h.bottom.look_up(codes.bottom))

    def reconstruct(self, x: Tensor) -> Tensor:
        """x (n, *data_shape) -> its decoded codes, the same shape."""
        return self.decode(self.codes(x))

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """(n, *data_shape): codes drawn from the prior, position by position, and decoded."""
        counts = [min(BLOCK, n - start) for start in range(0, n, BLOCK)] or [0]
        return torch.cat([self.decode(self.sample_codes(count, rng)) for count in counts])

    @torch.no_grad()
    def sample_codes(self, n: int, rng: torch.Generator) -> Codes:
        """Codes of n pictures from the prior."""
        device = next(self.parameters()).device
        top, bottom = (
            torch.zeros(n, *where.shape[1:], dtype=torch.int64, device=device)
            for where in self.prior.where
        )
        self._fill(top, lambda: self.prior.top_logits(top), rng)
        self._fill(bottom, lambda: self.prior.bottom_logits(top, bottom), rng)
        return Codes(top, bottom)

    def _fill(self, grid: Tensor, logits: Any, rng: torch.Generator) -> None:
        """Draws each position of grid (n, height, columns) given those before it, in place."""
        for row in range(grid.shape[1]):
            for column in range(grid.shape[2]):
                share = logits()[:, :, row, column].softmax(1).to(rng.device)
                if len(grid):  # multinomial refuses an empty batch
                    drawn = torch.multinomial(share, 1, generator=rng)
                    grid[:, row, column] = drawn[:, 0].to(grid.device)
