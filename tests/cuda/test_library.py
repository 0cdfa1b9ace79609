"""The CUDA part of the library, as far as a machine without a GPU can tell."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from device_code import entries, kernels
from torch._subclasses import FakeTensorMode

from genbench import ops
from genbench.ops.backend import active, backend, build_info, describe, load_error

OPERATIONS = (
    "uniform",
    "normal",
    "reparameterize_kl_forward",
    "reparameterize_kl_backward",
    "discriminator_bce_forward",
    "generator_bce_forward",
    "gan_bce_backward",
    "gradient_norm_penalty_forward",
    "gradient_norm_penalty_backward",
    "interpolate",
    "interpolate_backward",
    "ddpm_add_noise",
    "ddpm_draw_noise",
    "ddpm_add_noise_backward",
    "ddpm_step",
    "ddpm_step_backward",
)
CPU_ALONE = ("neighbours_others", "neighbours_in", "neighbours_inside")


@pytest.fixture
def kernels_run():
    if active() != "fused":
        pytest.skip(load_error() or "GENBENCH_BACKEND=reference: the kernels do not run")


@pytest.fixture
def library(kernels_run):
    """The library of an extension that has CUDA kernels."""
    info = build_info()
    assert info is not None
    if info["CUDA"] == "not built":
        pytest.skip("built without CUDA: no nvcc, or GENBENCH_CUDA=skip")
    return Path(info["library"])


def test_where_nvcc_is_the_kernels_are_built(kernels_run):
    info = build_info()
    assert info is not None
    if shutil.which("nvcc") is None or os.environ.get("GENBENCH_CUDA") == "skip":
        pytest.skip("no nvcc on PATH, or GENBENCH_CUDA=skip")
    assert info["CUDA"].startswith("nvcc ")


def test_it_holds_the_architectures_it_tells_of(library):
    info = build_info()
    assert info is not None
    told = info["CUDA"].partition(": ")[2].split()
    assert {name for name, _ in entries(library)} == set(told)
    if not os.environ.get("TORCH_CUDA_ARCH_LIST"):
        assert set(told) == {"sm_80", "sm_90", "compute_90"}


def test_no_kernel_uses_local_memory(library):
    """No register is spilled, and no array has an index that the compiler does not know."""
    seen = [
        (arch, kernel)
        for arch, cubin in entries(library)
        if arch.startswith("sm_")
        for kernel in kernels(cubin)
    ]
    assert [(arch, kernel.name) for arch, kernel in seen if kernel.frame != 0] == []
    # 256 threads of 128 registers: two blocks on a processor at least
    assert [(arch, kernel.name) for arch, kernel in seen if kernel.registers > 128] == []
    for arch in {arch for arch, _ in seen}:
        names = " ".join(kernel.name for of, kernel in seen if of == arch)
        for word in ("fill", "forward_rows", "forward_segments", "step_backward", "add_noise"):
            assert word in names


SPILLS = """
__global__ void spills(float* x, int n) {
  float kept[8];
  for (int i = 0; i < 8; ++i) kept[i] = x[i];
  for (int i = 0; i < n; ++i) kept[i & 7] += kept[(i + 3) & 7];
  for (int i = 0; i < 8; ++i) x[i] = kept[i];
}
__global__ void holds(float* x) { x[threadIdx.x] *= 2; }
"""


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="needs nvcc")
def test_local_memory_is_seen(tmp_path):
    source, built = tmp_path / "planted.cu", tmp_path / "planted.o"
    source.write_text(SPILLS)
    compiled = subprocess.run(
        ["nvcc", "-arch=sm_80", "-Xptxas=-v", "-c", str(source), "-o", str(built)],
        capture_output=True,
        text=True,
        check=True,
    )
    told = re.findall(
        r"properties for \w*(spills|holds)\w*\s+(\d+) bytes stack.*?Used (\d+) registers",
        compiled.stderr,
        flags=re.DOTALL,
    )
    (cubin,) = (code for name, code in entries(built) if name == "sm_80")
    read = [(kernel.name, kernel.frame, kernel.registers) for kernel in kernels(cubin)]
    assert len(told) == len(read) == 2
    for name, frame, registers in told:
        assert [(int(frame), int(registers))] == [n[1:] for n in read if name in n[0]]
        assert (int(frame) > 0) == (name == "spills")


@pytest.mark.parametrize("op", OPERATIONS)
def test_every_operation_is_registered_for_both_devices(library, op):
    for key in ("CPU", "CUDA"):
        assert torch._C._dispatch_has_kernel_for_dispatch_key(f"genbench::{op}", key)


def test_no_operation_is_left_out(library):
    schemas = {s.name for s in torch._C._jit_get_all_schemas() if s.name.startswith("genbench::")}
    assert schemas == {f"genbench::{op}" for op in (*OPERATIONS, *CPU_ALONE)}


def test_describe_tells_of_the_cuda_kernels(library):
    with backend("fused"):
        assert all("CUDA kernels built" in str(row["why"]) for row in describe())


def test_shapes_on_a_cuda_device(library):
    """Fake tensors of a device that is not there: the fused path, its shapes, types and device.

    None needs a gradient: a torch without CUDA has no autograd for the device.
    """
    with FakeTensorMode(), backend("fused"):
        x = torch.empty(4, 3, dtype=torch.bfloat16, device="cuda")
        seed = torch.empty(1, dtype=torch.int64, device="cuda")
        z, kl = ops.reparameterize_kl(x, x, seed=seed)
        losses = [
            ops.discriminator_bce(real=x, fake=x, real_target=(0.7, 1.0), seed=seed),
            ops.generator_bce(fake=x),
            ops.gradient_norm_penalty(x),
        ]
        raw = torch.ops.genbench
        alike = [
            z,
            *raw.reparameterize_kl_backward(x, kl, x, x, None, seed),
            *raw.gan_bce_backward(losses[0], x, x),
            raw.gradient_norm_penalty_backward(losses[2], x, kl.double()),
            ops.interpolate(real=x, fake=x, seed=seed),
            *raw.interpolate_backward(x, None, 0.5, None, True, True),
            *ops.ddpm_add_noise(x, 0.5, seed=seed),
            ops.ddpm_step(x, x, alpha=0.9, alpha_bar=0.5, sigma=0.1, seed=seed),
        ]
        for like in alike:
            assert (like.shape, like.dtype, like.device.type) == (x.shape, x.dtype, "cuda")
        for loss in (kl, *losses):
            assert (loss.dtype, loss.device.type) == (torch.float32, "cuda")
        assert kl.shape == (4,) and all(loss.shape == () for loss in losses)
        assert ops.normal((5,), seed=seed, dtype=torch.float64).device.type == "cuda"
