"""The operations on a device, by name: what the tests of CUDA kernels run on both sides."""

from collections.abc import Callable

import torch
from torch import Tensor

from genbench import ops

Outputs = tuple[Tensor, ...]
LOSSES = ("discriminator_bce", "drawn_targets", "generator_bce", "gradient_norm_penalty")


def seed_on(device: str, key: int = 11, first: int = 3) -> Tensor:
    return torch.tensor([key, first], device=device)


def calls(x: Tensor, y: Tensor, seed: Tensor) -> dict[str, Callable[[], Outputs]]:
    """Every operation on tensors (B, ...) of one shape, dtype and device; outputs as a tuple."""
    row = torch.linspace(0.1, 0.9, len(x), dtype=torch.float64, device=x.device)
    return {
        "reparameterize_kl": lambda: ops.reparameterize_kl(x, y, seed=seed),
        "given_eps": lambda: ops.reparameterize_kl(x, y, eps=y.detach()),
        "discriminator_bce": lambda: (ops.discriminator_bce(real=x, fake=y),),
        "drawn_targets": lambda: (
            ops.discriminator_bce(
                real=x, fake=y, real_target=(0.7, 1.0), flip_probability=0.1, seed=seed
            ),
        ),
        "generator_bce": lambda: (ops.generator_bce(fake=y),),
        "interpolate": lambda: (ops.interpolate(real=x, fake=y, seed=seed),),
        "given_alpha": lambda: (ops.interpolate(real=x, fake=y, alpha=row),),
        "gradient_norm_penalty": lambda: (ops.gradient_norm_penalty(x),),
        "ddpm_add_noise": lambda: ops.ddpm_add_noise(x, row, seed=seed),
        "ddpm_step": lambda: (
            ops.ddpm_step(x, y, alpha=0.9, alpha_bar=row, sigma=row.float(), seed=seed),
        ),
        "numbers_on_the_cpu": lambda: (
            ops.ddpm_step(
                x,
                y,
                alpha=torch.tensor(0.9),
                alpha_bar=torch.tensor(0.5).double(),
                sigma=0.1,
                seed=seed,
            ),
        ),
        "uniform": lambda: (ops.uniform(x.shape, seed=seed, stream=4, dtype=x.dtype),),
        "normal": lambda: (ops.normal(x.shape, seed=seed, stream=4, dtype=x.dtype),),
    }


NAMES = tuple(calls(torch.zeros(1, 1), torch.zeros(1, 1), torch.tensor([1])))


def inputs(shape: tuple[int, ...], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """The same pair on every machine."""
    rng = torch.Generator().manual_seed(5)
    return (
        torch.randn(shape, generator=rng).to(dtype),
        torch.randn(shape, generator=rng).to(dtype),
    )


def run(name: str, x: Tensor, y: Tensor, seed: Tensor) -> list[Tensor]:
    """Outputs of a call and the gradients of a weighted sum of them, on the CPU."""
    x, y = x.detach().requires_grad_(), y.detach().requires_grad_()
    outputs = calls(x, y, seed)[name]()
    wanted = [output for output in outputs if output.requires_grad]
    gradients: list[Tensor] = []
    if wanted:
        weights = [
            torch.arange(1, o.numel() + 1, device=o.device).remainder(7).reshape(o.shape).to(o)
            for o in wanted
        ]
        found = torch.autograd.grad(wanted, (x, y), weights, allow_unused=True)
        gradients = [gradient for gradient in found if gradient is not None]
    return [tensor.detach().cpu() for tensor in (*outputs, *gradients)]
