"""The scheduler takes timesteps of every form, on every device, and never waits for one."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from genbench.ops.scheduler import DDPMScheduler

SEED = torch.tensor([5])


def batch(*shape, dtype=torch.float64):
    return torch.randn(2, *shape, generator=torch.Generator().manual_seed(1)).to(dtype).unbind()


TIMESTEPS = {
    "int": lambda t, device: t,
    "0-d on the CPU": lambda t, device: torch.tensor(t),
    "0-d": lambda t, device: torch.tensor(t, device=device),
    "(1,)": lambda t, device: torch.tensor([t], device=device),
    "(B,)": lambda t, device: torch.tensor([t] * 4, device=device),
    "(B,) int32": lambda t, device: torch.tensor([t] * 4, dtype=torch.int32, device=device),
    "(B,) on the CPU": lambda t, device: torch.tensor([t] * 4),
}
timesteps = pytest.mark.parametrize("form", TIMESTEPS)


@timesteps
@pytest.mark.parametrize("t", [0, 640, 999])
def test_every_form_of_a_timestep_is_the_same_step(form, t):
    scheduler = DDPMScheduler()
    x_t, output = batch(4, 3)
    wanted = scheduler.step(output, t, x_t, seed=SEED).prev_sample
    given = TIMESTEPS[form](t, "cpu")
    found = scheduler.step(output, given, x_t, seed=SEED).prev_sample
    torch.testing.assert_close(found, wanted, rtol=1e-14, atol=1e-14)  # another order of loops
    assert torch.equal(scheduler.add_noise(x_t, output, given), scheduler.add_noise(x_t, output, t))


def test_samples_may_stand_at_different_timesteps():
    scheduler, t = DDPMScheduler(), torch.tensor([3, 900, 0, 41])
    x_t, output, noise = *batch(4, 3), batch(4, 3)[0].flip(0)
    found = scheduler.step(output, t, x_t, noise=noise).prev_sample
    for i in range(4):
        one = slice(i, i + 1)
        alone = scheduler.step(output[one], int(t[i]), x_t[one], noise=noise[one]).prev_sample
        torch.testing.assert_close(found[one], alone, rtol=1e-14, atol=1e-14)


@timesteps
@pytest.mark.parametrize("kind", ["epsilon", "sample", "v_prediction"])
@pytest.mark.parametrize("clip", [False, True])
def test_nothing_is_read_on_the_meta_device(form, kind, clip):
    """There, a read of a value raises."""
    scheduler = DDPMScheduler(prediction_type=kind, clip_sample=clip)
    scheduler.set_timesteps(10, device="meta")
    assert scheduler.timesteps.device.type == "meta"
    x = torch.empty(4, 3, device="meta")
    t = TIMESTEPS[form](300, "meta")
    step = scheduler.step(x, t, x)
    assert step.prev_sample.shape == step.pred_original_sample.shape == x.shape
    assert scheduler.add_noise(x, x, t).shape == scheduler.get_velocity(x, x, t).shape == x.shape


class Reads(TorchDispatchMode):
    """Collects the operations that make the host wait for a value of a tensor."""

    WAITING = ("_local_scalar_dense", "nonzero", "is_nonzero", "equal", "masked_select", "unique")

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.overloadpacket.__name__ in self.WAITING:
            self.seen.append(str(func))
        return func(*args, **(kwargs or {}))


@timesteps
def test_nothing_is_read_on_the_cpu_either(form, either):
    scheduler, (x, output) = DDPMScheduler(), batch(4, 3)
    scheduler.set_timesteps(10)
    with Reads() as reads:
        _ = tuple(scheduler.step(output, TIMESTEPS[form](300, "cpu"), x, seed=SEED))
        scheduler.add_noise(x, output, TIMESTEPS[form](300, "cpu"))
    assert reads.seen == []
    with reads:
        float(x.sum())
    assert reads.seen == ["aten._local_scalar_dense.default"]  # a read is seen


@pytest.mark.cuda
@timesteps
def test_nothing_waits_on_cuda(form):
    scheduler = DDPMScheduler()
    scheduler.set_timesteps(10, device="cuda")
    x, output = (t.cuda() for t in batch(4, 3, dtype=torch.float32))
    t = TIMESTEPS[form](300, "cuda")
    scheduler.step(output, t, x)
    torch.cuda.set_sync_debug_mode("error")
    try:
        step = scheduler.step(output, t, x)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert step.prev_sample.isfinite().all()


@pytest.mark.cuda
def test_a_chain_is_one_cuda_graph():
    scheduler = DDPMScheduler()
    scheduler.set_timesteps(10, device="cuda")
    x, output = (t.cuda() for t in batch(4, 3, dtype=torch.float32))

    def chain():
        sample = x
        for i, t in enumerate(scheduler.timesteps):
            sample = scheduler.step(output, t, sample, noise=output * i).prev_sample
        return sample

    wanted = chain()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        found = chain()
    graph.replay()
    torch.testing.assert_close(found, wanted)


@timesteps
def test_steps_compile_whole_and_for_every_timestep(form):
    scheduler, (x, output) = DDPMScheduler(), batch(4, 3, dtype=torch.float32)
    scheduler.set_timesteps(8)
    graphs = []

    def count(module, inputs):
        graphs.append(module)
        return module.forward

    @torch.compile(fullgraph=True, backend=count)
    def step(output, t, x, seed):
        out = scheduler.step(output, t, x, seed=seed)
        return out.prev_sample, out.pred_original_sample

    for number in scheduler.timesteps.tolist():
        t = TIMESTEPS[form](number, "cpu")
        wanted = tuple(scheduler.step(output, t, x, seed=SEED))
        torch.testing.assert_close(step(output, t, x, SEED), wanted)
    # torch.compile takes the first number for a constant, then all others together
    assert len(graphs) == (2 if form == "int" else 1)
