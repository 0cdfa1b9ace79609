"""Procedural shapes: drawn against dense sampling, their factors, captions and batches."""

import math

import pytest
import torch

from genbench.data import open_dataset
from genbench.data.drawing import KINDS, SYMMETRY, draw
from genbench.data.shapes import COLOURS, PLACES, SIZES, Shapes, shapes
from genbench.errors import InputError

WHITE = torch.tensor([[255.0]])
CORNERS = {
    "square": [(0, 1), (-1, 0), (0, -1), (1, 0)],  # before it is turned by an eighth
    "triangle": [(0, 1), (-math.sqrt(3) / 2, -0.5), (math.sqrt(3) / 2, -0.5)],
}


def row(kind, x=0.5, y=0.5, radius=0.25, angle=0.0):
    return torch.tensor([[KINDS.index(kind), 0, x, y, radius, angle]])


def inside_polygon(points, corners):
    """Whether points (n, 2) lie left of every edge, corners anticlockwise."""
    found = torch.ones(len(points), dtype=torch.bool)
    for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
        found &= (x1 - x0) * (points[:, 1] - y0) - (y1 - y0) * (points[:, 0] - x0) >= 0
    return found


def turned(corners, angle, radius, x, y):
    cos, sin = math.cos(angle), math.sin(angle)
    return [
        (x + radius * (cos * u - sin * v), y - radius * (sin * u + cos * v)) for u, v in corners
    ][::-1]  # the picture's y runs down, which turns anticlockwise into clockwise


def sampled(kind, x, y, radius, angle, size, dense=16):
    """Coverage of every pixel by dense x dense points, from corners instead of distances."""
    steps = (torch.arange(size * dense, dtype=torch.float64) + 0.5) / (size * dense)
    points = torch.cartesian_prod(steps, steps).flip(1)  # (row, column) -> (x, y)
    if kind == "disc":
        inside = (points - torch.tensor([x, y])).square().sum(dim=1) <= radius**2
    elif kind == "cross":
        # twelve corners make it; two rectangles of corners are easier to be sure of
        long = radius * 3 / math.sqrt(10)
        wide = long / 3
        boxes = [[(a, b), (-a, b), (-a, -b), (a, -b)] for a, b in ((long, wide), (wide, long))]
        inside = torch.zeros(len(points), dtype=torch.bool)
        for box in boxes:
            inside |= inside_polygon(points, turned(box, angle, 1.0, x, y))
    else:
        turn = angle + (math.pi / 4 if kind == "square" else 0)
        inside = inside_polygon(points, turned(CORNERS[kind], turn, radius, x, y))
    return inside.view(size, dense, size, dense).double().mean(dim=(1, 3))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("x", "y", "radius", "angle"),
    [(0.5, 0.5, 0.25, 0.0), (0.37, 0.61, 0.2, 0.4), (0.3, 0.7, 0.15, 1)],
)
def test_pictures_are_what_dense_sampling_gives(kind, x, y, radius, angle):
    found = draw(row(kind, x, y, radius, angle), WHITE, 24)[0, 0].double() / 255
    expected = sampled(kind, x, y, radius, angle, 24)
    # at corners the product of two coverages is off by more than at edges
    assert (found - expected).abs().max() < 0.12
    assert (found - expected).abs().mean() < 0.004
    assert found.sum() == pytest.approx(expected.sum().item(), rel=0.02)


def test_upright_edges_are_exact_whatever_the_place():
    found = draw(row("cross", 0.4321, 0.5678, 0.21), WHITE, 16)[0, 0].double() / 255
    expected = sampled("cross", 0.4321, 0.5678, 0.21, 0.0, 16, dense=64)
    # a level, and the points' own distance
    assert (found - expected).abs().max() < 1 / 255 + 2 / 64


@pytest.mark.parametrize("kind", KINDS)
def test_a_turn_by_the_symmetry_changes_nothing(kind):
    symmetry = SYMMETRY[KINDS.index(kind)] or 1.234
    a, b = (
        draw(row(kind, 0.45, 0.52, 0.22, angle), WHITE, 32).int() for angle in (0.3, 0.3 + symmetry)
    )
    assert (a - b).abs().max() <= 1  # float32 at the rounding of a level


def test_a_turn_is_anticlockwise_and_y_runs_down():
    upright = draw(row("triangle", 0.5, 0.3, 0.25), WHITE, 32)[0, 0].float()
    assert upright[:16].sum() > 0.98 * upright.sum()
    assert upright[2:6, :].sum() < upright[10:14, :].sum()  # the tip is above
    left = draw(row("triangle", angle=math.pi / 2), WHITE, 32)[0, 0].float()
    assert left[:, 7:11].sum() < left[:, 16:20].sum()  # the tip now points to the left


def test_no_shape_is_cut_off_by_the_border():
    """A disc of one radius covers the same area wherever it lies; polygons lie inside of it."""
    found = Shapes(size=32, kinds=("disc",), colours=()).draw(2000, torch.tensor([9]))
    assert found.condition is not None
    area = found.x.double().sum(dim=(1, 2, 3)) / 255
    expected = math.pi * (found.condition[:, 4].double() * 32).square()
    # a hundredth: edges are straight inside a pixel; a row of pixels cut off is more than that
    assert (area / expected - 1).abs().max() < 0.01


def test_factors_are_even_independent_and_tell_the_picture():
    n = 20_000
    drawn = Shapes(size=8).draw(n, torch.tensor([1]))
    factors = drawn.condition
    assert factors is not None and drawn.labels is not None
    assert torch.equal(drawn.labels, factors[:, 0].long())
    counts = torch.bincount(drawn.labels * 6 + factors[:, 1].long(), minlength=24).double()
    # 833 each with deviation 28: five of them
    assert (counts - n / 24).abs().max() < 5 * math.sqrt(n / 24)
    for column, (low, high) in ((2, PLACES), (3, PLACES), (4, SIZES)):
        u = ((factors[:, column] - low) / (high - low)).double()
        # of a uniform: mean 1/2, variance 1/12, and of squares mean 1/3, variance 4/45
        assert u.min() >= 0 and u.max() <= 1
        assert u.mean() == pytest.approx(1 / 2, abs=5 * math.sqrt(1 / 12 / n))
        assert u.square().mean() == pytest.approx(1 / 3, abs=5 * math.sqrt(4 / 45 / n))
    discs = drawn.labels == 0
    assert (factors[discs, 5] == 0).all()
    others = factors[~discs].double()
    turns = others[:, 5] / torch.tensor(SYMMETRY, dtype=torch.float64)[others[:, 0].long()]
    assert turns.min() >= 0 and turns.max() <= 1 + 1e-6  # float32 of the angle
    assert turns.mean() == pytest.approx(1 / 2, abs=5 * math.sqrt(1 / 12 / len(turns)))
    known = torch.stack([*others[:, :5].T, turns])
    correlation = torch.corrcoef(known)
    assert (correlation - torch.eye(6)).abs().max() < 5 / math.sqrt(len(turns))
    assert torch.equal(Shapes(size=8).paint(factors), drawn.x)


def test_the_same_seed_draws_the_same_and_sizes_share_factors():
    small, large = (Shapes(size=s).draw(7, torch.tensor([4])) for s in (16, 64))
    assert torch.equal(Shapes(size=16).draw(7, torch.tensor([4])).x, small.x)
    assert small.condition is not None and large.condition is not None
    assert torch.equal(small.condition, large.condition)
    one, two = (Shapes().sample(5, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one.x, two.x)
    assert not torch.equal(Shapes().sample(5, torch.Generator().manual_seed(4)).x, one.x)


def test_the_default_data_set():
    data = open_dataset("shapes", size=16)
    assert data.data_shape == (3, 16, 16) and data.classes == KINDS
    assert (len(data.train), len(data.test)) == (4000, 1000)
    assert data.train.captions is not None and len(data.train.captions) == 4000
    assert data.train.condition is not None and data.test.condition is not None
    both = torch.cat([data.train.condition, data.test.condition])
    assert len(both.unique(dim=0)) == 5000  # no row is in both
    batch = next(data.batches(batch_size=3, seed=0))
    assert batch.x.shape == (3, 3, 16, 16) and batch.x.min() == -1
    assert batch.condition is not None and batch.condition.shape == (3, 6)
    assert torch.equal(open_dataset("shapes", size=16).test.x, data.test.x)


def test_chosen_factors_alone_vary():
    data = open_dataset("shapes-disc", size=16)
    assert data.data_shape == (1, 16, 16) and data.classes == ("disc",)
    found = data.train.condition
    assert found is not None
    assert (found[:, [0, 1, 5]] == 0).all()
    assert all(len(found[:, column].unique()) > 3900 for column in (2, 3, 4))
    still = Shapes(vary=("rotation",)).draw(50, torch.tensor([0])).condition
    assert still is not None and len(still[:, 2:5].unique(dim=0)) == 1


def test_captions_name_every_factor():
    made = Shapes()
    pi = math.pi
    rows = torch.tensor(
        [
            [1, 0, 0.3, 0.3, 0.16, pi / 4],
            [0, 2, 0.5, 0.5, 0.2, 0],
            [2, 1, 0.7, 0.5, 0.27, 0.1],
            [3, 5, 0.5, 0.7, 0.27, pi / 2 - 0.1],
        ]
    )
    assert made.captions(rows) == (
        "a small tilted red square at the top left",
        "a medium blue disc in the centre",
        "a large green triangle at the middle right",
        "a large cyan cross at the bottom centre",
    )
    grey = Shapes(colours=())
    assert grey.captions(rows[:1]) == ("a small tilted grey square at the top left",)


def test_captions_follow_what_is_seen():
    found = Shapes().draw(300, torch.tensor([2]))
    assert found.condition is not None
    for x, text in zip(found.x.double(), Shapes().captions(found.condition), strict=True):
        colour = x.flatten(1)[:, x.sum(dim=0).argmax()]
        palette = torch.tensor(list(COLOURS.values()), dtype=torch.float64)
        nearest = list(COLOURS)[int((palette - colour).square().sum(dim=1).argmin())]
        mass = x.sum(dim=0)
        row = float((mass.sum(dim=1) * (torch.arange(32) + 0.5)).sum() / mass.sum() / 32)
        middle = (row - PLACES[0]) / (PLACES[1] - PLACES[0])
        words = text.split()
        assert nearest in words
        if 0.4 < middle < 0.6:
            assert "middle" in words or text.endswith("in the centre")
        if middle < 0.28:
            assert "top" in words


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"size": 7}, "size: must be 8 to 256 pixels for shapes, got 7"),
        ({"size": 257}, "got 257"),
        ({"size": 16.0}, r"got 16\.0"),
        ({"kinds": ()}, "kinds: must name at least one of disc, square"),
        ({"kinds": ("disk",)}, "kinds: must be of disc, .*, got unknown 'disk'"),
        ({"colours": ("red", "red")}, "colours: .* got a name twice: red, red"),
        ({"vary": ("z",)}, "vary: must be of x, y, size, rotation, got unknown 'z'"),
    ],
)
def test_unknown_choices_are_one_line(options, line):
    with pytest.raises(InputError, match=line):
        shapes(**options)
