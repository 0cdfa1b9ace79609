"""The files beside the code: one home for the version, whole pins, links that lead somewhere."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

import genbench

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
LINK = re.compile(r"\[[^\]]*\]\(<?([^)\s>]+)")


def broken_links(document: Path) -> list[str]:
    """Targets of a document's relative links that are not there; code blocks do not count."""
    text = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)
    targets = [link for link in LINK.findall(text) if not re.match(r"[a-z]+:|#", link)]
    return [link for link in targets if not (document.parent / link.split("#")[0]).exists()]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document):
    assert broken_links(document) == []


def test_a_broken_link_is_seen(tmp_path):
    (tmp_path / "there.md").write_text("")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](there.md#part) ![b](gone.png) [c](https://example.org) [d](#x)\n"
        "```\n[e](in-code.md)\n```\n[f](also-gone.md)\n"
    )
    assert broken_links(page) == ["gone.png", "also-gone.md"]


def test_the_readme_is_short_and_leads_to_every_page():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 150
    pages = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md")}
    assert pages - set(LINK.findall(text)) == set()


def test_test_files_have_names_of_their_own():
    """pytest imports them by base name: two of one name cannot be collected together."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))


def test_the_version_has_one_home():
    assert re.fullmatch(r"\d+\.\d+\.\d+", genbench.__version__)
    assert "version" not in PROJECT["project"]
    assert PROJECT["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "genbench.__version__"}
    literal = re.compile(rf"version.*\b{re.escape(genbench.__version__)}\b", re.IGNORECASE)
    homes = [
        path.relative_to(ROOT).as_posix()
        for pattern in ("*.py", "*.toml", "*.cff", "*.txt", "genbench/**/*.py", "csrc/**/*")
        for path in ROOT.glob(pattern)
        if path.is_file() and literal.search(path.read_text())
    ]
    assert homes == ["genbench/__init__.py"]


def test_the_citation_has_what_its_format_asks_for():
    text = (ROOT / "CITATION.cff").read_text()
    fields = dict(re.findall(r"^([a-z-]+):[ \t]*(.*)$", text, flags=re.MULTILINE))
    assert {"cff-version", "message", "title", "authors", "license"} <= fields.keys()
    assert fields["cff-version"] == "1.2.0"
    assert fields["license"] == PROJECT["project"]["license"]
    assert re.search(r"^authors:\n  - name: \S", text, flags=re.MULTILINE)
    # Plain scalars must not hold what YAML gives a meaning.
    plain = [value for value in fields.values() if value and value[0] not in "\"'>|"]
    assert [value for value in plain if ": " in value or " #" in value] == []


def test_the_license_is_whole():
    text = (ROOT / "LICENSE").read_text()
    assert PROJECT["project"]["license"] == "Apache-2.0"
    assert "Version 2.0, January 2004" in text
    assert [f"   {n}. " in text for n in range(1, 10)] == [True] * 9
    assert "END OF TERMS AND CONDITIONS" in text
    assert all((ROOT / name).is_file() for name in PROJECT["project"]["license-files"])


def names(requirements: list[str]) -> set[str]:
    """The distributions that requirements name, without versions and extras."""
    return {re.split(r"[\[<>=~!; ]", text)[0] for text in requirements}


def test_every_dependency_is_pinned():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert [line for line in pins if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []
    assert len({line.split("==")[0].lower() for line in pins}) == len(pins)
    extras = PROJECT["project"]["optional-dependencies"]
    asked = [PROJECT["project"]["dependencies"], *extras.values()]
    wanted = set().union(*map(names, asked)) - {"genbench"}
    assert wanted - {line.split("==")[0].lower() for line in pins} == set()


def test_an_isolated_build_asks_for_no_torch():
    assert names(PROJECT["build-system"]["requires"]) == {"setuptools"}


def test_a_wheel_takes_libraries_from_its_own_build_alone():
    # "*.so" here would put the checkout's libraries into a wheel that says it fits any machine.
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["genbench"]
    assert [pattern for pattern in patterns if Path("_ops.cpython-311.so").match(pattern)] == []
    assert "global-exclude" in (manifest := (ROOT / "MANIFEST.in").read_text())
    assert "*.so" in manifest.rpartition("global-exclude")[2]


def test_make_lists_every_target():
    makefile = (ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, flags=re.MULTILINE)
    command = ["make", "--no-print-directory", "help"]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert [line.split()[1] for line in made.stdout.splitlines()] == phony.split()


def test_ci_runs_what_make_check_runs():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert script.read_text().rstrip().endswith("\nmake check")
