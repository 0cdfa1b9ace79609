"""The CUDA kernels in a graph, on memory that others left, and beyond 2^31 elements."""

import pytest
import torch
from calls import LOSSES, NAMES, calls, inputs, seed_on

from genbench import ops
from genbench.ops.backend import backend

pytestmark = pytest.mark.cuda
DEVICE = "cuda"


@pytest.fixture(autouse=True)
def fused():
    with backend("fused"):
        yield


def captured(call, *generators):
    """A graph of one call, and its outputs."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        call()  # warm up: libraries and kernels are loaded outside of the graph
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    for generator in generators:
        graph.register_generator_state(generator)
    with torch.cuda.graph(graph):
        outputs = call()
    return graph, outputs


@pytest.mark.parametrize("name", NAMES)
def test_a_graph_repeats_a_call(name):
    x, y = (t.to(DEVICE) for t in inputs((64, 5000), torch.float32))
    call = calls(x, y, seed_on(DEVICE))[name]
    wanted = [output.clone() for output in call()]
    graph, outputs = captured(call)
    for _ in range(5):
        for output in outputs:
            output.fill_(float("nan"))
        graph.replay()
        assert all(torch.equal(a, b) for a, b in zip(outputs, wanted, strict=True))


def test_a_graph_follows_its_inputs():
    x, y = (t.to(DEVICE) for t in inputs((64, 5000), torch.float32))
    graphs = {name: captured(calls(x, y, seed_on(DEVICE))[name]) for name in LOSSES}
    x.mul_(2)
    for name, (graph, (loss,)) in graphs.items():
        graph.replay()
        assert torch.equal(loss, calls(x, y, seed_on(DEVICE))[name]()[0])


def test_a_registered_generator_gives_new_noise_in_each_replay():
    generator = torch.Generator(DEVICE).manual_seed(4)
    mu = torch.zeros(32, 16, device=DEVICE)
    graph, (z, kl) = captured(lambda: ops.reparameterize_kl(mu, mu, generator=generator), generator)
    draws = []
    for _ in range(3):
        graph.replay()
        draws.append(z.clone())
        assert torch.equal(kl, torch.zeros_like(kl))
    assert not torch.equal(draws[0], draws[1]) and not torch.equal(draws[1], draws[2])
    assert all(abs(draw.mean().item()) < 0.2 for draw in draws)  # 4.5 sigma of 512 numbers


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_every_element_is_written(name, dtype):
    """The allocator hands out what others freed: here, NaN and tickets that are not zero."""
    x, y = (t.to(DEVICE) for t in inputs((37, 5001), dtype))
    call = calls(x, y, seed_on(DEVICE))[name]
    clean = [output.clone() for output in call()]
    for _ in range(3):
        poison = [
            torch.full((37, 5001), float("nan"), dtype=dtype, device=DEVICE) for _ in range(4)
        ]
        small = [
            torch.full((n,), -1, dtype=torch.int64, device=DEVICE)
            for n in (1, 37, 64, 100, 200, 400)
            for _ in range(4)
        ]
        del poison, small
        assert all(torch.equal(a, b) for a, b in zip(call(), clean, strict=True))


def test_more_than_2_31_elements():
    count = 2**31 + 17
    free, _ = torch.cuda.mem_get_info()
    if free < 8 * count:  # three tensors of two bytes an element, and room
        pytest.skip(f"needs {8 * count} bytes of device memory, {free} are free")
    bf16 = torch.bfloat16
    noise = ops.normal(count, seed=torch.tensor([9], device=DEVICE), dtype=bf16)
    tail = torch.tensor([9, count - 64], device=DEVICE)
    assert torch.equal(noise[-64:], ops.normal(64, seed=tail, dtype=bf16))
    mixed = ops.interpolate(real=noise[None], fake=noise[None], alpha=0.25)
    torch.testing.assert_close(mixed[0, -64:], noise[-64:], rtol=2**-7, atol=0)
    del mixed
    z, kl = ops.reparameterize_kl(noise[None], noise[None], eps=noise[None])
    end = noise[-64:].float()
    torch.testing.assert_close(
        z[0, -64:].float(), end + torch.exp(end / 2) * end, rtol=2**-7, atol=1e-3
    )
    # E[mu^2 + exp(v) - v - 1] / 2 = (1 + sqrt(e) - 1) / 2 for standard normal mu = v
    assert kl.item() / count == pytest.approx((1 + 1.6487 - 1) / 2, rel=1e-2)
