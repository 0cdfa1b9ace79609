"""The page in Chromium: no console error, no request, tables sort, runs open, samples move."""

import json

import numpy as np
import pytest
from browser import Browser, find_chromium
from study_rows import DIVERGED, ring_samples, row, samples_of
from test_page import HOSTILE

from genbench.report.gallery import gallery
from genbench.report.groups import group_rows
from genbench.report.page import render_page

pytestmark = pytest.mark.skipif(find_chromium() is None, reason="no chromium on this machine")


def study():
    """Two data sets, hostile names, a diverged run, points and images."""
    losses = ["non_saturating", "relativistic+r1+r2", *HOSTILE]
    rows = [
        row(loss, seed, held=8 - (i + seed) % 4, spread=0.5 + i / 10, key=f"{i}-{seed}")
        for i, loss in enumerate(losses)
        for seed in range(3)
    ]
    rows[4] = {**rows[4], **DIVERGED}
    images = [
        row(loss, s, data="stacked-digits", key=f"i{loss}{s}", specification={"data": "x"})
        for loss in losses[:2]
        for s in range(2)
    ]
    points, pictures = group_rows([*rows, *images])
    assert pictures.rows[0]["data"] == "stacked-digits"
    noise = np.random.default_rng(1).uniform(size=(2, 20, 3, 8, 8)).astype(np.float32)
    galleries = {
        points.slug: gallery(points, ring_samples(rows)),
        pictures.slug: gallery(pictures, samples_of(images, {}, list(noise))),
    }
    return render_page(
        [points, pictures],
        galleries={slug: shown for slug, shown in galleries.items() if shown},
        commands={"0-0": "genbench study mode-collapse --seeds 1"},
    )


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(study(), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    executable = find_chromium()
    assert executable is not None
    with Browser(executable, tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture
def opened(browser, page):
    browser.problems.clear()
    browser.open(page)
    yield browser
    assert browser.problems == []


MISSING = "\u2013"


def column(browser, table, number):
    rows = f"[...document.querySelectorAll('{table} tbody tr')]"
    return browser.run(f"{rows}.map(row => row.cells[{number}].textContent.trim())")


def test_titles_sort_numbers_as_numbers(opened):
    seeds = "#g0 table.runs"
    opened.run("document.querySelectorAll('#g0 table.runs th button')[3].click()")
    held = column(opened, seeds, 3)
    numbers = [float(text) for text in held if text != MISSING]
    assert numbers == sorted(numbers) and held.count(MISSING) == 1 and held[-1] == MISSING
    opened.run("document.querySelectorAll('#g0 table.runs th button')[3].click()")
    turned = column(opened, seeds, 3)
    assert [float(text) for text in turned[:-1]] == sorted(numbers, reverse=True)
    assert turned[-1] == MISSING  # what is missing stays last
    states = (
        "[...document.querySelectorAll('#g0 .runs thead th')].map(t => t.getAttribute('aria-sort'))"
    )
    assert opened.run(states).count("descending") == 1 and opened.run(states)[3] == "descending"


def test_titles_sort_by_keyboard(opened):
    opened.run("document.querySelector('#g0 .ranking th:nth-child(2) button').focus()")
    opened.press("Enter", 13)
    names = column(opened, "#g0 table.ranking", 1)
    assert names == opened.run(f"{json.dumps(names)}.sort((a, b) => a.localeCompare(b))")
    title = "document.querySelector('#g0 .ranking th:nth-child(2)')"
    assert opened.run(f"{title}.ariaSort") == "ascending"
    opened.press("Enter", 13)
    assert opened.run(f"{title}.ariaSort") == "descending"
    assert column(opened, "#g0 table.ranking", 1) == names[::-1]


def test_a_press_opens_a_run_s_provenance(opened):
    opened.run("document.querySelector('#g0 tr[data-run=\"0\"]').click()")
    text = opened.run("document.querySelector('#g0 tr.detail').innerText")
    for part in ("genbench study mode-collapse --seeds 1", "versions · genbench", "threads", "0-0"):
        assert part in text
    button = "document.querySelector('#g0 tr[data-run=\"0\"] .open')"
    assert opened.run(f"{button}.ariaExpanded") == "true"
    opened.run(f"{button}.focus()")
    opened.press("Enter", 13)
    assert opened.run("document.querySelectorAll('tr.detail').length") == 0
    assert opened.run(f"{button}.ariaExpanded") == "false"


def test_sorting_closes_what_is_open(opened):
    opened.run("document.querySelector('#g0 tr[data-run=\"0\"]').click()")
    opened.run("document.querySelectorAll('#g0 table.runs th button')[1].click()")
    assert opened.run("document.querySelectorAll('tr.detail').length") == 0


def test_hostile_names_run_nothing_and_show_as_they_are(opened):
    shown = opened.run("[...document.querySelectorAll('#g0 .runs bdi')].map(e => e.textContent)")
    assert set(HOSTILE) <= set(shown)
    opened.run("for (const run of document.querySelectorAll('tr[data-run]')) run.click()")
    assert opened.run("document.querySelectorAll('tr.detail img, tr.detail script').length") == 0


@pytest.mark.parametrize("width", [390, 1200])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_scrolls_sideways_but_tables(browser, page, width, scheme):
    browser.problems.clear()
    browser.open(page, width=width, prefers_color_scheme=scheme)
    assert browser.run("document.documentElement.scrollWidth") <= width
    assert browser.problems == []


def contrast(browser, selector):
    """The WCAG contrast of an element's text against the page."""
    script = """(() => {
      const parse = (text) => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
      const light = (rgb) => { const [r, g, b] = rgb.map((v) => { v /= 255;
        return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; });
        return .2126 * r + .7152 * g + .0722 * b; };
      const a = light(parse(getComputedStyle(document.querySelector(SELECTOR)).color));
      const b = light(parse(getComputedStyle(document.body).backgroundColor));
      return (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    })()"""
    return browser.run(script.replace("SELECTOR", repr(selector)))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_legible_in_both_themes(browser, page, scheme):
    browser.open(page, prefers_color_scheme=scheme)
    for selector in ("h1", ".lead", ".hint", ".ranking thead button", ".chip.bad", ".marked"):
        assert contrast(browser, selector) >= 4.5, selector  # WCAG 2.1, level AA
    light = browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(252, 252, 251)"
    assert light == (scheme == "light")


INK = """(() => { const from = document.querySelector('#g0 .live canvas');
  const pen = new OffscreenCanvas(from.width, from.height).getContext('2d');
  pen.drawImage(from, 0, 0);
  return pen.getImageData(0, 0, from.width, from.height).data
    .filter((v, i) => i % 4 === 3 && v > 0).length; })()"""
STOPPED = "document.querySelector('#g0 .play').textContent === 'Play'"


def wait(browser, condition):
    """Until a JavaScript condition holds."""
    again = f"const wait = () => {condition} ? done() : setTimeout(wait, 20)"
    browser.run(f"new Promise(done => {{ {again}; wait(); }})")


def gallery_of(browser, number):
    """Scroll to a gallery, which waits for that."""
    browser.run(f"document.querySelector('#g{number} .gallery').scrollIntoView()")
    wait(browser, f"document.querySelector('#g{number} .live').children.length")


def test_samples_are_drawn_and_follow_the_slider(opened):
    gallery_of(opened, 0)
    last = opened.run(INK)
    assert last > 100
    step = "document.querySelector('#g0 input.step')"
    assert opened.run("document.querySelector('#g0 output').textContent") == "100"
    opened.run(f"{step}.value = 0; {step}.dispatchEvent(new Event('input'))")
    assert opened.run("document.querySelector('#g0 output').textContent") == "50"
    assert opened.run(INK) != last  # wider clouds leave the view
    assert "8" in opened.run("document.querySelector('#g0 .live .quiet').textContent")
    assert opened.run("document.querySelectorAll('#g0 .strip canvas').length") > 9


def test_the_animation_plays_and_stops(opened):
    gallery_of(opened, 0)
    play = "document.querySelector('#g0 .play')"
    opened.run(f"{play}.click()")
    assert opened.run(f"{play}.textContent") == "Pause"
    assert opened.run("document.querySelector('#g0 output').textContent") == "50"
    wait(opened, STOPPED)
    assert opened.run("document.querySelector('#g0 output').textContent") == "100"


def test_reduced_motion_shows_whole_steps_alone(browser, page):
    browser.open(page, prefers_reduced_motion="reduce")
    gallery_of(browser, 0)
    browser.run("document.querySelector('#g0 .play').click()")
    drawn = browser.run(
        """new Promise(done => { const seen = new Set();
      const c = document.querySelector('#g0 .live canvas');
      const w = () => { seen.add(c.toDataURL()); STOPPED ? done(seen.size) : setTimeout(w, 15); };
      w(); })""".replace("STOPPED", STOPPED)
    )
    assert drawn == 2


def test_images_are_shown_as_mosaics(opened):
    gallery_of(opened, 1)
    width = "document.querySelector('#g1 .live img').naturalWidth"
    wait(opened, width)
    assert opened.run(width) == 5 * 8 + 4  # 20 images of 8 x 8 in rows of five


def test_tabs_and_pairs_answer(opened):
    tab = "document.querySelectorAll('#g0 [role=tab]')"
    opened.run(f"{tab}[0].focus()")
    opened.press("ArrowRight", 39)
    assert opened.run(f"{tab}[1].ariaSelected") == "true"
    panels = "[...document.querySelectorAll('#g0 [role=tabpanel]')]"
    shown = f"{panels}.filter(panel => !panel.hidden).map(panel => panel.id)"
    assert opened.run(shown) == ["chart-0-high_quality", "pairs-0-modes_held"]
    opened.run("document.querySelector('#g0 button.pair').click()")
    said = opened.run("document.querySelector('#g0 .said').textContent")
    assert " minus " in said and "3 seeds" in said


def test_problems_are_seen(browser, tmp_path):
    """The test of the tests: an error and a request do not pass unnoticed."""
    path = tmp_path / "bad.html"
    path.write_text(
        "<script>console.error('x'); missing()</script><img src='http://127.0.0.1:9/a'>"
    )
    browser.problems.clear()
    browser.open(path)
    assert len(browser.problems) >= 3
    browser.problems.clear()
