"""Imports run downward, floor by floor, and files stay short: the rules of CONTRIBUTING.md."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# A room imports itself and lower floors. The files of floor 0 are one room, so are the two doors.
FLOORS = [
    [{"_build", "errors", "files", "folder", "catalog", "protocol", "config", "base"}],
    [{"ops"}],
    [{"nets"}],
    [{"losses"}],
    [{"models"}],
    [{"metrics"}, {"data"}],
    [{"train"}],
    [{"report"}],
    [{"studies"}],
    [{"cli", "commands", "__main__"}],
]
# What genbench/__init__.py offers under a name that is no room.
OFFERED = {"create_model": "models", "from_pretrained": "models", "CATALOG": "models"}


def room(name: str) -> tuple[int, set[str]]:
    """The floor of a room and the names it goes by; KeyError for one without a place."""
    for floor, rooms in enumerate(FLOORS):
        for names in rooms:
            if name in names:
                return floor, names
    raise KeyError(f"{name} has no floor: give it one in FLOORS and in CONTRIBUTING.md")


def imported(tree: ast.AST, package: list[str]) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every import anywhere in a file, under TYPE_CHECKING included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield node.lineno, first.value


def violations(root: Path) -> list[str]:
    """Every import below root/genbench that does not run downward, as 'file:line imports name'."""
    found = []
    for path in sorted((root / "genbench").rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if parts == ("genbench", "__init__"):
            continue  # the lazy front door: it names every room and enters none
        floor, names = room(parts[1])
        a_model = names == {"models"} and len(parts) > 3 and parts[-1] != "__init__"
        for line, name in imported(ast.parse(path.read_text()), list(parts[:-1])):
            target = name.split(".")
            if target[0] != "genbench" or target[1:2] in ([], ["__version__"]):
                continue
            target_floor, target_names = room(OFFERED.get(target[1], target[1]))
            downward = target_floor < floor or target_names == names
            if not downward or (a_model and target_names == {"models"}):
                found.append(f"{path.relative_to(root)}:{line} imports {name}")
    return found


def test_imports_run_downward():
    assert violations(ROOT) == []


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("ops/noise.py", "from genbench.train import loop"),
        ("ops/noise.py", "from genbench import create_model"),
        ("ops/noise.py", "from ..studies import rows"),
        ("metrics/modes.py", "import genbench.data.mixtures"),
        ("losses/penalties.py", "def late():\n    from genbench import models"),
        ("nets/mlp.py", "if TYPE_CHECKING:\n    from genbench.losses import Objective"),
        ("report/page.py", "importlib.import_module('genbench.studies.rows')"),
        ("models/flows/glow.py", "from genbench.models.flows.realnvp import RealNVP"),
        ("models/flows/glow.py", "from .realnvp import RealNVP"),
        ("models/flows/glow.py", "from genbench.metrics import precision_recall"),
    ],
)
def test_a_planted_violation_is_caught(tmp_path, file, line):
    path = tmp_path / "genbench" / file
    path.parent.mkdir(parents=True)
    path.write_text(f"{line}\n")
    (found,) = violations(tmp_path)
    assert found.startswith(f"genbench/{file}:{1 + line.count(chr(10))} imports genbench.")


def test_allowed_imports_pass(tmp_path):
    path = tmp_path / "genbench" / "models" / "flows" / "glow.py"
    path.parent.mkdir(parents=True)
    path.write_text("from genbench import __version__, losses\nfrom genbench.nets.mlp import MLP\n")
    (path.parent / "__init__.py").write_text("from genbench.models.flows.glow import Glow\n")
    assert violations(tmp_path) == []


def test_every_room_has_a_floor(tmp_path):
    (tmp_path / "genbench").mkdir()
    (tmp_path / "genbench" / "attic.py").write_text("")
    with pytest.raises(KeyError, match="attic has no floor"):
        violations(tmp_path)


def long_functions(tree: ast.AST, limit: int) -> list[str]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    functions = [node for node in ast.walk(tree) if isinstance(node, kinds)]
    return [f.name for f in functions if (f.end_lineno or f.lineno) - f.lineno + 1 > limit]


def test_long_functions_are_seen():
    body = "    pass\n" * 60
    assert long_functions(ast.parse(f"def long():\n{body}"), 60) == ["long"]
    assert long_functions(ast.parse(f"def fits():\n{body[9:]}"), 60) == []


def python_files() -> list[Path]:
    folders = ("genbench", "tools", "benchmarks")
    return [path for folder in folders for path in (ROOT / folder).rglob("*.py")]


def test_files_and_functions_are_short():
    texts = {path.relative_to(ROOT).as_posix(): path.read_text() for path in python_files()}
    assert [name for name, text in texts.items() if len(text.splitlines()) > 300] == []
    assert [
        (name, long)
        for name, text in texts.items()
        if (long := long_functions(ast.parse(text), 60))
    ] == []


# A folder of somebody's own machine; /path/to/... is how documents write one.
LOCAL_PATH = re.compile(r"(?<![\w.~}])/(?:home|root|Users|tmp|work)/\w")


def test_a_local_path_is_seen():
    assert LOCAL_PATH.search("see " + "/".join(["", "home", "ada", "genbench"]))
    assert not LOCAL_PATH.search("runs/work/x, /path/to/python3, ~/home/x")


def test_no_path_of_one_machine():
    suffixes = {".py", ".pyi", ".md", ".toml", ".txt", ".h", ".cpp", ".cff", ".j2", ".in"}
    tops = [path for path in ROOT.iterdir() if path.suffix in suffixes or path.name == "Makefile"]
    folders = [
        f
        for n in ("genbench", "csrc", "tests", "benchmarks", "tools", "docs")
        if (f := ROOT / n).is_dir()
    ]
    files = tops + [p for f in folders for p in f.rglob("*") if p.suffix in suffixes]
    named = [path for path in files if LOCAL_PATH.search(path.read_text())]
    assert [path.relative_to(ROOT).as_posix() for path in named] == []
