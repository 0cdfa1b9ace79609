"""docs/reuse.md: its Python runs, its shell commands build and run its C++."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from genbench import ops

ROOT = Path(__file__).parents[2]
CONSUMER = ROOT / "tests" / "csrc" / "consumer"
PAGE = (ROOT / "docs" / "reuse.md").read_text()
TOOLS = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


def blocks(language):
    """The page's code blocks of one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)


def test_every_block_is_tested_here():
    counts = {name: len(blocks(name)) for name in ("python", "cpp", "cmake", "sh")}
    assert counts == {"python": 4, "cpp": 1, "cmake": 3, "sh": 2}
    assert PAGE.count("```") == 2 * sum(counts.values())


def test_the_python_runs():
    names = {}
    for block in blocks("python")[:3]:
        exec(block, names)
    assert names["adversary"].critic.weight.grad is not None
    assert list(names["adversary"].state_dict()) == ["critic.weight", "critic.bias"]
    assert names["x"].shape == (64, 16) and names["x"].isfinite().all()
    for module in re.findall(
        r"`(\w+)`", PAGE.split("### Modules")[1].split("###")[0].split("```")[2]
    ):
        assert hasattr(ops.modules, module)


@pytest.mark.slow
def test_a_pipeline_takes_the_scheduler():
    diffusers = pytest.importorskip("diffusers")
    blocks_of = {"down_block_types": ("DownBlock2D",) * 2, "up_block_types": ("UpBlock2D",) * 2}
    network = diffusers.UNet2DModel(
        sample_size=8,
        in_channels=1,
        out_channels=1,
        block_out_channels=(4, 4),
        norm_num_groups=2,
        attention_head_dim=2,
        layers_per_block=1,
        **blocks_of,
    )
    pipeline = diffusers.DDPMPipeline(unet=network, scheduler=diffusers.DDPMScheduler())
    exec(blocks("python")[3], {"pipeline": pipeline, "DDPMScheduler": ops.scheduler.DDPMScheduler})
    pipeline.set_progress_bar_config(disable=True)

    def images(seed):
        rng = torch.Generator().manual_seed(seed)
        made = pipeline(batch_size=2, num_inference_steps=5, output_type="np", generator=rng)
        return torch.from_numpy(made.images)

    assert isinstance(pipeline.scheduler, ops.scheduler.DDPMScheduler)
    assert images(1).shape == (2, 8, 8, 1)
    assert torch.equal(images(1), images(1)) and not torch.equal(images(1), images(2))


def test_the_cpp_and_cmake_are_the_files_of_the_consumer():
    assert blocks("cpp") == [(CONSUMER / "main.cpp").read_text()]
    assert blocks("cmake")[0] == (CONSUMER / "CMakeLists.txt").read_text()


needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
needs_cmake = pytest.mark.skipif(
    shutil.which("cmake", path=TOOLS) is None or shutil.which("make") is None,
    reason="cmake and make are not both installed",
)


def shell(script, folder, **environment):
    """What a script prints; Debug builds compile in a tenth of the time."""
    done = subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=folder,
        env=os.environ
        | {"PATH": TOOLS, "GENBENCH": str(ROOT), "CMAKE_BUILD_TYPE": "Debug"}
        | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def expected():
    """The line that the consumer prints, from Python: one seed, one result."""
    seed = torch.tensor([7])
    z, kl = ops.reparameterize_kl(torch.ones(4, 16), torch.zeros(4, 16), seed=seed)
    return f"z[0] = {z[0, 0]:.5f}, kl[0] = {kl[0]:.5f} nats, "


@pytest.fixture
def consumer(tmp_path):
    """A copy of the consumer's project."""
    return Path(shutil.copytree(CONSUMER, tmp_path / "consumer"))


@needs_compiler
@needs_cmake
def test_find_package(consumer, tmp_path):
    prefix = str(tmp_path / "prefix")
    assert expected() in shell(blocks("sh")[0], consumer, PREFIX=prefix)
    include = tmp_path / "prefix" / "include"
    headers = [path.relative_to(include) for path in include.rglob("*.h")]
    assert {"reparameterize_kl.h", "noise.h", "math", "cpu"} <= {h.parts[1] for h in headers}
    assert not [h for h in headers if h.parts[1] in ("bindings", "cuda")]
    for header in headers:  # each compiles by itself, from what was installed alone
        line = f"echo '#include <{header}>' | g++ -std=c++17 -fsyntax-only -I {include} -x c++ -"
        shell(line, consumer)
    (consumer / "CMakeLists.txt").write_text("find_package(genbench 99 REQUIRED)\n")
    with pytest.raises(AssertionError, match="compatible with requested version"):
        shell("cmake -S . -B build/wrong -DCMAKE_PREFIX_PATH=$PREFIX", consumer, PREFIX=prefix)


def with_sources(consumer, block):
    """The consumer's project, which takes genbench from a folder by a block of the page."""
    (consumer / "genbench").symlink_to(ROOT)
    lists = consumer / "CMakeLists.txt"
    text = lists.read_text()
    lists.write_text(text.replace("find_package(genbench REQUIRED)\n", block))
    assert lists.read_text() != text


@pytest.mark.slow
@needs_compiler
@needs_cmake
def test_a_folder_of_the_project_as_a_shared_library(consumer):
    with_sources(consumer, blocks("cmake")[1])
    script = "cmake -S . -B b -DBUILD_SHARED_LIBS=ON; cmake --build b -j; b/consumer"
    assert expected() in shell(script, consumer)
    assert list(consumer.glob("b/genbench/libgenbench_kernels.so"))


@needs_compiler
@needs_cmake
@pytest.mark.parametrize("block", [1, 2], ids=["add_subdirectory", "FetchContent"])
def test_sources_beside_the_project_bring_the_target(consumer, block):
    """Generating fails where a target with :: in its name is missing."""
    with_sources(consumer, blocks("cmake")[block])
    shell("cmake -S . -B build", consumer)
    without = blocks("cmake")[0].replace("find_package(genbench REQUIRED)\n", "")
    (consumer / "CMakeLists.txt").write_text(without)
    with pytest.raises(AssertionError, match="genbench::kernels"):
        shell("cmake -S . -B other", consumer)


@needs_compiler
def test_a_copy_of_csrc(consumer):
    script = blocks("sh")[1]
    assert "-O3" in script  # speed is no matter here, and takes 10 s
    assert expected() in shell(script.replace("-O3", "-O0"), consumer)
