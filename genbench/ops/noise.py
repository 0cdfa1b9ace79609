"""Counter-based noise: Philox-4x32-10 keyed by a seed tensor. Salmon et al. 2011 (Random123).

An element's noise depends on the seed, the stream and the element's number alone: never on the
device, the number of threads or how a tensor is cut into shards.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genbench.ops.backend import fused_for
from genbench.ops.checks import FLOATS
from genbench.ops.extension import register_fake, register_vmap

_MASK = 0xFFFFFFFF
# The published multipliers less 2^32: the product with a 32-bit word then stays inside int64.
_M0, _M1 = 0xD2511F53 - 2**32, 0xCD9E8D57 - 2**32
_W0, _W1 = 0x9E3779B9, 0xBB67AE85
_GOLDEN = 0x9E3779B97F4A7C15  # 2^64 / golden ratio
Draw = Callable[..., Tensor]  # uniform, normal or their references


def uniform(
    shape: int | Sequence[int],
    *,
    seed: Tensor,
    stream: int = 0,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Uniform noise on (0, 1), on the seed's device; half dtypes may round to 1.

    Args:
        shape: of the result; an int is a length.
        seed: int64 (1,) [key] or (2,) [key, number of the first element].
        stream: independent noise of the same key, in [0, 2^63).
        dtype: float16, bfloat16, float32 or float64.

    Errors: TypeError, ValueError for an argument outside these rules.
    Source: (w + 1/2) / 2^32 of the Philox word w; Salmon et al. 2011.
    """
    shape = _check(shape, seed, stream, dtype)
    if fused_for("uniform", seed):
        return torch.ops.genbench.uniform(seed, shape, stream, dtype)
    return _uniform(shape, seed, stream, dtype)


def normal(
    shape: int | Sequence[int],
    *,
    seed: Tensor,
    stream: int = 0,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Standard normal noise, on the seed's device.

    shape, seed, stream, dtype and errors: as for `uniform`.
    Source: Box and Muller 1958 on the words (0, 1) and (2, 3) of a Philox block.
    """
    shape = _check(shape, seed, stream, dtype)
    if fused_for("normal", seed):
        return torch.ops.genbench.normal(seed, shape, stream, dtype)
    return _normal(shape, seed, stream, dtype)


@register_fake("uniform")
@register_fake("normal")
def _drawn(seed: Tensor, size: Sequence[int], stream: int, dtype: torch.dtype) -> Tensor:
    return seed.new_empty(size, dtype=dtype)


@register_vmap("uniform")
@register_vmap("normal")
def _drawn_for_each(op: Callable[..., Tensor], dims: tuple[int | None, ...], *arguments: Any):
    """A batch of seeds draws what each of them draws alone."""
    seed, *others = arguments
    return torch.stack([op(one, *others) for one in seed.unbind(dims[0])]), 0


def uniform_reference(
    shape: int | Sequence[int],
    *,
    seed: Tensor,
    stream: int = 0,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """`uniform` by plain torch operations, evaluated in float64 and rounded."""
    return _uniform(_check(shape, seed, stream, dtype), seed, stream, dtype)


def normal_reference(
    shape: int | Sequence[int],
    *,
    seed: Tensor,
    stream: int = 0,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """`normal` by plain torch operations, evaluated in float64 and rounded."""
    return _normal(_check(shape, seed, stream, dtype), seed, stream, dtype)


def fold_seed(seed: Tensor, index: int) -> Tensor:
    """A seed for another draw of the same step: a new key, the same first element.

    seed: int64 (1,) or (2,); index: any int, 0 gives the seed back. Result: like seed.
    Errors: TypeError, ValueError for an argument outside these rules.
    The key moves by index * 2^64 / golden ratio, modulo 2^64 (Weyl sequence).
    """
    check_seed(seed)
    if not isinstance(index, int) or isinstance(index, bool):
        raise TypeError(f"index must be an int, got {index!r}")
    step = (index * _GOLDEN + 2**63) % 2**64 - 2**63
    return torch.cat([seed[:1] + step, seed[1:]])


def fold_seeds(seed: int, first: int, count: int) -> Tensor:
    """int64 (count, 1) on the CPU: `fold_seed` of a seed, an int64, by first, first + 1, ..."""
    indices = np.arange(first, first + count, dtype=np.uint64)  # unsigned: NumPy's wraps around
    keys = indices * np.uint64(_GOLDEN) + np.uint64(seed % 2**64)
    return torch.from_numpy(keys.view(np.int64)).unsqueeze(1)


def resolve_seed(
    seed: Tensor | None, generator: torch.Generator | None, *, device: torch.device
) -> Tensor:
    """The seed (1,) or (2,) int64 to draw from: `seed` itself, or a key drawn from `generator`.

    Neither given: a key from torch's global generator of `device`. No host synchronisation.
    `check_source` has accepted both.
    """
    if seed is not None:
        return seed
    return torch.randint(2**63 - 1, (1,), generator=generator, device=device)


def check_source(
    seed: Tensor | None,
    generator: torch.Generator | None,
    *,
    device: torch.device,
    given: tuple[str, object] = ("noise", None),
) -> None:
    """Refuses two sources of noise (`given`: a third one's name and value) and unfit ones."""
    if (given[1] is not None) + (seed is not None) + (generator is not None) > 1:
        sources = (given, ("seed", seed), ("generator", generator))
        names = [name for name, source in sources if source is not None]
        raise ValueError(f"{' and '.join(names)} were given, give one")
    if seed is not None:
        check_seed(seed)
        if seed.device != device:
            raise ValueError(f"seed must be on {device}, as the data is, got {seed.device}")
    if generator is None:
        return
    if not isinstance(generator, torch.Generator):
        raise TypeError(f"generator must be a torch.Generator, got {type(generator).__name__}")
    if generator.device.type != device.type:
        raise ValueError(f"generator must be on {device}, as the data is, got {generator.device}")


def check_seed(seed: Tensor) -> None:
    """Refuses what is no seed: an int64 tensor (1,) or (2,). Its contents are not read."""
    if not isinstance(seed, Tensor):
        raise TypeError(f"seed must be an int64 tensor, got {type(seed).__name__}")
    if seed.dtype != torch.int64:
        raise TypeError(f"seed must be an int64 tensor, got {seed.dtype}")
    if seed.shape not in ((1,), (2,)):
        raise ValueError(f"seed must have shape (1,) or (2,), got {tuple(seed.shape)}")


def philox_4x32_10(counter: Tensor, key: Tensor) -> Tensor:
    """Ten rounds of Philox-4x32: counter (4, n), key (2,) -> (n, 4), int64 words in [0, 2^32).

    Words 0 and 2 are the rows of one tensor, 1 and 3 of another: half the operations, and on a GPU
    half the launches. A round's results stay in swapped rows, which the next one undoes.
    """
    rows = torch.arange(2, device=key.device).unsqueeze(1)
    multiplier, weyl = _M0 + rows * (_M1 - _M0), _W0 + rows * (_W1 - _W0)  # (2, 1)
    rounds = torch.arange(10, device=key.device).view(10, 1, 1)
    keys = (key.unsqueeze(1) + rounds * weyl) & _MASK  # (10, 2, 1)
    even, odd = counter[0::2], counter[1::2]  # (2, n)
    here, swapped = (multiplier, keys.flip(1)), (multiplier.flip(0), keys)
    for number in range(10):
        factor, added = swapped if number % 2 else here
        product = even * factor
        even, odd = ((product >> 32) + even) ^ odd.flip(0) ^ added[number], product & _MASK
    # row by row: a reshape of (2, 2, n) would ask whether n is 1, which torch.export must not know
    return torch.stack((even[0], odd[0], even[1], odd[1]), dim=-1)


def _uniform(shape: Sequence[int], seed: Tensor, stream: int, dtype: torch.dtype) -> Tensor:
    return _take(_unit_blocks(math.prod(shape), seed, stream), seed, shape).to(dtype)


def _normal(shape: Sequence[int], seed: Tensor, stream: int, dtype: torch.dtype) -> Tensor:
    u = _unit_blocks(math.prod(shape), seed, stream)  # (blocks, 4)
    radius = torch.sqrt(-2 * torch.log(u[:, 0::2]))
    angle = 2 * math.pi * u[:, 1::2]
    pairs = torch.stack([radius * torch.cos(angle), radius * torch.sin(angle)], dim=-1)
    return _take(pairs, seed, shape).to(dtype)


def _unit_blocks(count: int, seed: Tensor, stream: int) -> Tensor:
    """Uniform numbers (blocks, 4) that cover `count` elements from the seed's first on."""
    sharded = seed.shape[0] == 2  # its first element may lie anywhere inside a block
    block = torch.arange((count + 6) // 4 if sharded else (count + 3) // 4, device=seed.device)
    if sharded:
        block = block + ((seed[1] >> 2) & (2**62 - 1))  # the element number is unsigned
    stream_words = [torch.full_like(block, word) for word in (stream & _MASK, stream >> 32)]
    counter = torch.stack([block & _MASK, block >> 32, *stream_words])
    key = torch.stack([seed[0] & _MASK, (seed[0] >> 32) & _MASK])
    return (philox_4x32_10(counter, key).to(wide_on(seed.device)) + 0.5) * 2.0**-32


def _take(blocks: Tensor, seed: Tensor, shape: Sequence[int]) -> Tensor:
    flat, count = blocks.flatten(), math.prod(shape)
    if seed.shape[0] == 1:
        return flat[:count].reshape(shape)
    return flat[(seed[1] & 3) + torch.arange(count, device=seed.device)].reshape(shape)


def wide_on(device: torch.device) -> torch.dtype:
    """The widest dtype that a device computes in."""
    return torch.float32 if device.type == "mps" else torch.float64  # Metal has no float64


def _check(
    shape: int | Sequence[int], seed: Tensor, stream: int, dtype: torch.dtype
) -> tuple[int, ...]:
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    if any(length < 0 for length in shape):
        raise ValueError(f"shape must not be negative, got {shape}")
    check_seed(seed)
    if not isinstance(stream, int) or isinstance(stream, bool):
        raise TypeError(f"stream must be an int, got {stream!r}")
    if not 0 <= stream < 2**63:
        raise ValueError(f"stream must be in [0, 2^63), got {stream}")
    if dtype not in FLOATS:
        raise TypeError(f"dtype must be float16, bfloat16, float32 or float64, got {dtype}")
    return shape
