"""The raw operations under genbench.metrics.nearest: schemas, parts, threads, instruction sets."""

import math

import pytest
import torch
from torch.library import opcheck

from genbench.metrics import nearest

pytestmark = pytest.mark.usefixtures("kernels")


def whole(n, d, seed, reach=3):
    """Whole numbers: every distance is exact, and ties abound."""
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(-reach, reach + 1, (n, d), generator=rng).float()


def panelled(x, y):
    """(panels, float32 rows or None) of both sets."""
    sets = []
    for p in nearest.points(x, y):
        assert p.panels is not None
        sets.append((p.panels, p.rows if p.panels.dtype == torch.float32 else None))
    return sets


def everything(x, y, k=3):
    """What the three operations find."""
    silent = nearest.Meter(None, 0)
    p, q = nearest.points(x, y)
    a, b = nearest.nearest_others(p, k, silent), nearest.nearest_others(q, k, silent)
    inside = nearest.count_inside(p, q, a[:, -1], b[:, -1], silent)
    return [a, b, *nearest.nearest_in(p, q, k, silent), *inside]


@pytest.fixture(scope="module")
def cases():
    """Float32 panels with ties; float64 panels; many columns of close numbers."""
    rng = torch.Generator().manual_seed(0)
    close = 1 + 1e-6 * torch.randn(300, 70, generator=rng)
    fine = torch.randn(300, 5, generator=rng, dtype=torch.float64)
    return [(whole(300, 4, 0), whole(170, 4, 1)), (fine, fine[:99] / 3), (close, close[:150])]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_schemas_and_fake_kernels(kernels, dtype):
    x, y = whole(40, 3, 0).to(dtype), whole(33, 3, 1).to(dtype)
    if dtype == torch.float64:
        x, y = x / 3, y / 3
    (panels, rows), (y_panels, y_rows) = panelled(x, y)
    assert panels.dtype == dtype
    best = torch.full((40, 2), math.inf, dtype=torch.float64)
    opcheck(kernels.neighbours_others, (panels, rows, 1.0, 0, 1, best.clone()))
    sets = (panels, rows, y_panels, y_rows, 1.0)
    index = torch.zeros(40, 2, dtype=torch.int64)
    opcheck(kernels.neighbours_in, (*sets, 33, 0, 1, best.clone(), index))
    radii = (torch.ones(40, dtype=torch.float64), torch.ones(33, dtype=torch.float64))
    counts = [torch.zeros(n, dtype=torch.int64) for n in (33, 40, 40)]
    opcheck(kernels.neighbours_inside, (*sets, *radii, 0, 1, *counts))


def test_threads_and_parts_do_not_change_a_bit(cases, monkeypatch):
    before = torch.get_num_threads()
    try:
        # so much work that seven threads share it
        for x, y in [*cases, (whole(2000, 16, 2), whole(3000, 16, 3))]:
            torch.set_num_threads(1)
            found = everything(x, y)
            for threads, part in ((2, 4e9), (3, 1e4), (7, 1e5)):
                torch.set_num_threads(threads)
                monkeypatch.setattr(nearest, "_PART", part)
                for a, b in zip(everything(x, y), found, strict=True):
                    assert torch.equal(a, b)
    finally:
        torch.set_num_threads(before)


SCRIPT = """
sys.path.insert(0, {folder!r})
from test_neighbours_kernels import everything
x, y = torch.load({path!r})
out = {{str(i): a for i, a in enumerate(everything(x, y))}}
"""


def test_every_instruction_set_finds_the_same(in_instruction_set, cases, tmp_path):
    for number, (x, y) in enumerate(cases):
        path = tmp_path / f"{number}.pt"
        torch.save((x, y), path)
        script = SCRIPT.format(folder=__file__.rpartition("/")[0], path=str(path))
        found = in_instruction_set(script).values()
        for a, b in zip(found, everything(x, y), strict=True):
            if a.is_floating_point():  # sums of 70 terms, with and without fused products
                torch.testing.assert_close(a, b, rtol=100 * 2**-53, atol=0)
            else:
                assert torch.equal(a, b)


def test_what_python_never_hands_over_is_refused(kernels, refuses):
    (panels, rows), (y_panels, _) = panelled(whole(40, 3, 0), whole(33, 3, 1))
    best = torch.full((40, 2), math.inf, dtype=torch.float64)
    others = kernels.neighbours_others
    with refuses(RuntimeError, "neighbours_others", "float32 rows"):
        others(panels, None, 1.0, 0, 1, best)
    with refuses(RuntimeError, "rows / 32 rounded up"):
        others(panels, rows, 1.0, 0, 1, torch.zeros(65, 2, dtype=torch.float64))
    with refuses(RuntimeError, "float32 or float64"):
        others(panels.half(), rows, 1.0, 0, 1, best)
    with refuses(RuntimeError, "best must be dense, with 40 rows, of type Double"):
        others(panels, rows, 1.0, 0, 1, best.float())
    with refuses(RuntimeError, "one dtype and width"):
        sets = (panels, rows, y_panels.double(), None, 1.0, 33)
        kernels.neighbours_in(*sets, 0, 1, best, best.long())
