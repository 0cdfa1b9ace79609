"""The page as text: self-contained, escaped, and JSON that every browser reads."""

import base64
import hashlib
import json
import math
import re

import pytest
from study_rows import ROWS, ring_samples, row

from genbench.report.gallery import gallery
from genbench.report.groups import group_rows
from genbench.report.page import embedded, render_page

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "$x^2$ {{ 7*7 }} {% raw %}",
    "\u202egnissapsert\u202c \u0645\u0631\u062d\u0628\u0627",
    "n" * 300,
    "</style></script><!--",
]


def data_of(page: str) -> dict:
    """The embedded JSON; a NaN in it is an error, as it is in a browser."""
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_the_page_asks_for_nothing():
    (group,) = group_rows(ROWS)
    shown = gallery(group, ring_samples(ROWS))
    assert shown is not None
    page = render_page([group], galleries={group.slug: shown}, notes=["2 damaged lines & more"])
    assert not re.search(r"""(src|href|action)=["'](?!#|data:)""", page)
    assert "http:" not in page and "https:" not in page and "@import" not in page
    assert "default-src 'none'" in page and "2 damaged lines &amp; more" in page


def test_the_policy_allows_the_page_s_own_script_alone():
    page = render_page(group_rows(ROWS))
    scripts = re.findall(r"<script>(.*?)</script>", page, re.S)
    digests = [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts]
    assert re.findall(r"script-src 'sha256-([^']+)'", page) == digests
    assert not re.search(r"\son\w+=", re.sub(r"<script.*?</script>", "", page, flags=re.S))


def test_hostile_names_stay_text():
    rows = [row(name, seed, data=name, reason=name) for name in HOSTILE for seed in (0, 1)]
    page = render_page(group_rows(rows), notes=HOSTILE)
    plain = render_page(group_rows([row("a", s, data="d") for s in (0, 1)]), notes=["n"])
    assert page.count("<script") == plain.count("<script") == 2
    assert "<img" not in page and "alert(1)'" not in page.replace("&#39;", "")
    assert "{{ 7*7 }}" in page  # nothing evaluates it
    runs = [run for group in data_of(page)["groups"] for run in group["runs"]]
    assert {run["loss"] for run in runs} == set(HOSTILE)


def test_numbers_that_json_does_not_have_become_null():
    own = row(seconds=math.inf, specification={"config": {"weight": math.nan}})
    (group,) = data_of(render_page(group_rows([own])))["groups"]
    assert group["runs"][0]["seconds"] is None
    assert group["runs"][0]["specification"]["config"] == {"weight": None}
    assert json.loads(embedded({"a": (1, -math.inf), 2: "<&>"})) == {"a": [1, None], "2": "<&>"}


def test_every_row_brings_its_provenance():
    command = "genbench study mode-collapse --seeds 1"
    page = render_page(group_rows(ROWS), commands={ROWS[0]["key"]: command})
    (group,) = data_of(page)["groups"]
    assert len(group["runs"]) == len(ROWS)
    assert group["runs"][0]["command"] == command
    named = {"key", "seed", "specification", "versions", "threads", "seconds", "conventions"}
    assert named <= group["runs"][0].keys() and "curve" not in group["runs"][0]
    places = [int(place) for place in re.findall(r'data-run="(\d+)"', page)]
    assert sorted(places) == list(range(len(ROWS)))


def test_the_answer_names_the_best_and_how_sure_it_is():
    rows = [row("good", s, held=8) for s in range(3)] + [
        row("poor", s, held=h) for s, h in enumerate((3, 4, 5))
    ]
    rows += [row("close", s, held=h) for s, h in enumerate((8, 8, 7))]
    answer = render_page(group_rows(rows)).split('<section class="answers"')[1].split("</section>")
    text = " ".join(re.sub(r"<[^>]*>", " ", answer[0]).split())
    assert re.search(r"good 8\.0 ± 0\.0 of 8 modes held", text)
    assert "every mode in 3 of 3 seeds" in text
    assert "not settled against close : modes held +0.3" in text
    assert "Not told apart from the best: close ." in text


def test_diverged_and_suspicious_rows_say_so():
    rows = [*ROWS, row("narrow", 0, spread=0.4, high_quality=0.9995)]
    page = render_page(group_rows(rows))
    assert "diverged: loss is nan at step 60 (term critic)" in page
    assert "spread 0.40 in 1 of 1 seeds, not 1 within 15 %" in page and "under-dispersed" in page
    assert page.count('class="marked"') == 2


def test_protocols_have_columns_of_their_own():
    other = row("hinge", protocol="pacgan", specification={"protocol": "pacgan"})
    page = render_page(group_rows([*ROWS, other]))
    assert page.count('class="sortable ranking"') == 2
    heads = re.search(r'<table class="heat">.*?</thead>', page, re.S)
    assert heads and heads[0].count('<th scope="col">') == 1 + 2


def test_data_without_known_modes_have_a_page_too():
    nothing = {"high_quality": None, "kl_off_mode": None, "spread": None, "mode_count": None}
    own = [
        row(loss, s, data="mine", recall=0.5 + s / 10, coverage=0.25, floor={}) | nothing
        for loss in ("a", "b")
        for s in range(2)
    ]
    page = render_page(group_rows(own))
    text = " ".join(re.sub(r"<[^>]*>", " ", page).split())
    assert "recall" in text and "0.550 ± 0.635" in text  # .5, .6: 12.706 * .05
    assert "quality" not in text.split("Ranking")[1].split("Large dot")[0]
    assert "8.0 ± 0.0 of ? modes held" in text and "Published on this data" not in page
