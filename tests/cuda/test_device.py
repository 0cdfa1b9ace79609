"""The CUDA kernels on a GPU: the same results as the CPU's, whatever the layout and the stream."""

import pytest
import torch
from calls import LOSSES, NAMES, calls, inputs, run, seed_on

from genbench import ops
from genbench.ops.backend import backend, build_info, fused_for

pytestmark = pytest.mark.cuda
DEVICE = "cuda"
DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
LAYOUTS = {
    "contiguous": lambda t: t.contiguous(),
    "strided": lambda t: torch.stack([t, -t], dim=-1)[..., 0],
    "transposed": lambda t: t.transpose(0, -1).contiguous().transpose(0, -1),
    "unaligned": lambda t: torch.cat([t.new_zeros(1), t.flatten()])[1:].view(t.shape),
}
# Noise and sums differ by roundings of the compute type; a half result near a tie may round the
# other way.
TOLERANCE = {  # relative, absolute
    torch.float32: (1e-5, 1e-5),
    torch.float64: (1e-12, 1e-12),
    torch.bfloat16: (2**-7, 1e-4),
    torch.float16: (2**-10, 1e-4),
}


@pytest.fixture(autouse=True)
def fused():
    """Fails, not skips, where a machine with a GPU has no CUDA kernels."""
    info = build_info()
    assert info is not None and info["CUDA"] != "not built", info
    with backend("fused"):
        assert fused_for("normal", seed_on(DEVICE))
        yield


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_like_the_cpu(name, dtype, layout):
    x, y = inputs((5, 3, 4, 7), dtype)
    there = [LAYOUTS[layout](t.to(DEVICE)) for t in (x, y)]
    found = run(name, there[0], there[1], seed_on(DEVICE))
    for here, on_device in zip(run(name, x, y, seed_on("cpu")), found, strict=True):
        assert on_device.dtype == here.dtype
        rtol, atol = TOLERANCE[dtype]
        torch.testing.assert_close(on_device, here, rtol=rtol, atol=atol)


@pytest.mark.parametrize("shape", [(1, 1), (700, 1), (300, 3), (2, 2049), (3, 50001)], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_short_and_long_rows(name, shape):
    x, y = inputs(shape, torch.float32)
    there = run(name, x.to(DEVICE), y.to(DEVICE), seed_on(DEVICE))
    for here, on_device in zip(run(name, x, y, seed_on("cpu")), there, strict=True):
        torch.testing.assert_close(on_device, here, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in LOSSES])
def test_empty_batches(name):
    x = torch.zeros(0, 3, device=DEVICE)
    for output in calls(x, x, seed_on(DEVICE))[name]():
        assert output.numel() == 0


@pytest.mark.parametrize("name", ["reparameterize_kl", "gradient_norm_penalty", "drawn_targets"])
def test_second_derivatives(name):
    def of(device):
        x, y = (t.to(device).requires_grad_() for t in inputs((3, 5), torch.float64))
        total = (
            torch.cat([o.flatten() for o in calls(x, y, seed_on(device))[name]()]).square().sum()
        )
        (first,) = torch.autograd.grad(total, x, create_graph=True)
        (second,) = torch.autograd.grad(first.square().sum(), x)
        return second.cpu()

    torch.testing.assert_close(of(DEVICE), of("cpu"), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", LOSSES)
def test_losses_have_the_same_bits_in_100_runs(name):
    x, y = (t.to(DEVICE) for t in inputs((300, 3500), torch.float32))
    call = calls(x, y, seed_on(DEVICE))[name]
    (first,) = call()
    assert all(torch.equal(call()[0], first) for _ in range(99))


def test_two_streams_at_once():
    """Partial sums and tickets belong to a call: neither stream disturbs the other."""
    pairs = [
        tuple(t.to(DEVICE) * scale for t in inputs((64, 20000), torch.float32)) for scale in (1, 3)
    ]
    wanted = [calls(x, y, seed_on(DEVICE))[name]()[0] for x, y in pairs for name in LOSSES]
    torch.cuda.synchronize()
    streams = [torch.cuda.Stream() for _ in pairs]
    for _ in range(50):
        found = []
        for (x, y), stream in zip(pairs, streams, strict=True):
            with torch.cuda.stream(stream):
                found += [calls(x, y, seed_on(DEVICE))[name]()[0] for name in LOSSES]
        torch.cuda.synchronize()
        assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))


def test_work_goes_to_the_current_stream():
    """What a stream does first is there when the kernel runs."""
    stream = torch.cuda.Stream()
    x = torch.zeros(2**22, 4, device=DEVICE)
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
        torch.cuda._sleep(20_000_000)
        x.fill_(2)
        loss = ops.gradient_norm_penalty(x, center=0.0)
    torch.cuda.synchronize()
    assert loss.item() == 16


@pytest.mark.parametrize("name", NAMES)
def test_nothing_waits_for_the_device(name):
    x, y = (t.to(DEVICE).requires_grad_() for t in inputs((64, 100), torch.float32))
    call = calls(x, y, seed_on(DEVICE))[name]
    call()  # the first call looks up torch's stream and loads the kernel
    torch.cuda.set_sync_debug_mode("error")
    try:
        outputs = [o for o in call() if o.requires_grad]
        if outputs:
            torch.autograd.grad(
                outputs, (x, y), [torch.ones_like(o) for o in outputs], allow_unused=True
            )
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_the_current_device_stays():
    before = torch.cuda.current_device()
    last = torch.cuda.device_count() - 1
    x, y = (t.to(f"cuda:{last}") for t in inputs((64, 5000), torch.float32))
    for call in calls(x, y, seed_on(f"cuda:{last}")).values():
        assert all(output.device.index == last for output in call())
    assert torch.cuda.current_device() == before


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two devices")
def test_a_device_that_is_not_current():
    x, y = inputs((64, 5000), torch.float32)
    with torch.cuda.device(0):
        for name in NAMES:
            found = run(name, x.to("cuda:1"), y.to("cuda:1"), seed_on("cuda:1"))
            for here, on_device in zip(run(name, x, y, seed_on("cpu")), found, strict=True):
                torch.testing.assert_close(on_device, here, rtol=1e-5, atol=1e-5)
