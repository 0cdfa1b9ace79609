"""docs/accuracy.md lists every operation and dtype, and its errors are within the tests' bounds."""

from accuracy import PAGE, page
from samples import FLOATS
from samples.bounds import BOUNDS, bound
from samples.errors import Error


def table(text):
    """{(operation, quantity, dtype): (error, fused units, reference units, bound)}"""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    return {tuple(row[:3]): [float(cell) for cell in row[3:]] for row in rows[-len(wanted()) :]}


def wanted():
    return {
        (op, quantity, str(dtype).removeprefix("torch.")): bound(op, quantity, dtype)
        for op, quantities in BOUNDS.items()
        for quantity in quantities
        for dtype in FLOATS
    }


def test_the_committed_table_is_whole_and_within_the_bounds():
    rows = table(PAGE.read_text())
    assert {place: row[-1] for place, row in rows.items()} == wanted()
    for place, (_, fused, reference, limit) in rows.items():
        assert fused <= limit and reference <= limit, place


def test_the_page_is_what_make_accuracy_writes(kernels):
    """The words too: only the numbers, the machine's kernels and torch may differ."""
    errors = {
        (op, quantity, dtype): Error(0.25, 0.5)
        for op, quantities in BOUNDS.items()
        for quantity in quantities
        for dtype in FLOATS
    }
    written = page(errors, errors)
    assert set(table(written)) == set(wanted())
    strip = lambda text: [line for line in text.splitlines() if line[:2] != "| " or "---" in line]  # noqa: E731
    different = [a for a, b in zip(strip(written), strip(PAGE.read_text()), strict=True) if a != b]
    assert all("`make accuracy` writes" in line for line in different)
