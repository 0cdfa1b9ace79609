"""The command which repeats a row, read back by the command line's own parser."""

import ast
import shlex

import pytest

from genbench.cli import parser
from genbench.commands.common import settings
from genbench.studies.protocols import PROTOCOLS
from genbench.studies.repeat import command

SPEC = {
    "protocol": "quick", "steps": 40, "device": "cpu", "dtype": "float32", "backend": "reference",
    "config": {**PROTOCOLS["quick"].model, "betas": [0.0, 0.9]},  # JSON has no tuples
    "identity": {},
}  # fmt: skip


def row(data="ring8", loss="non_saturating", seed=3, **spec):
    return {"data": data, "loss": loss, "seed": seed, "specification": {**SPEC, **spec}}


def test_the_command_line_understands_it():
    words = shlex.split(command(row(loss="relativistic+r1=.5+r2")))
    assert words[0] == "genbench"
    parsed = vars(parser().parse_args(words[1:]))
    expected = {
        "data": ["ring8"], "losses": ["relativistic+r1=.5+r2"], "seeds": 4, "steps": 40,
        "protocol": "quick", "device": "cpu", "dtype": "float32", "backend": "reference",
    }  # fmt: skip
    assert {name: parsed[name] for name in expected} == expected


def call(text):
    """Function name and keyword sources of a call."""
    parsed = ast.parse(text, mode="eval").body
    assert isinstance(parsed, ast.Call)
    return ast.unparse(parsed.func), {k.arg: ast.unparse(k.value) for k in parsed.keywords}


def test_own_constants_on_the_command_line():
    own = {"weight": 2.0, "critic": "maxout", "critic_width": None, "betas": [0.5, 0.9]}
    words = shlex.split(command(row(config={**SPEC["config"], **own}, batch_size=32)))
    parsed = vars(parser().parse_args(words[1:]))
    assert settings(parsed["set"]) == own and parsed["batch"] == 32


def test_own_functions_need_python():
    config = {**SPEC["config"], "weight": 2.0}
    name, keywords = call(command(row(config=config, identity={"critic": "y"})))
    assert name == "genbench.studies.mode_collapse"
    assert keywords["config"] == "{'weight': 2.0}" and keywords["data"] == "'ring8'"
    assert keywords["seeds"] == "4" and keywords["steps"] == "40"


@pytest.mark.parametrize("hostile", ["it's", "$(rm -rf /)", "a b; c"])
def test_own_names_are_quoted(hostile):
    _, keywords = call(
        command(row(data=hostile, loss=hostile, identity={"loss": "x", "critic": "y"}))
    )
    assert keywords["data"] == f"{{{hostile!r}: ...}}" and keywords["losses"] == keywords["data"]
    assert keywords["critic"] == "..." and "generator" not in keywords
    assert shlex.split(command(row(loss=hostile)))[6] == hostile


def test_a_label_stands_with_its_objective():
    name, keywords = call(command(row(loss="mine", objective="hinge+r1")))
    assert name == "genbench.studies.mode_collapse"
    assert ast.literal_eval(keywords["losses"]) == {"mine": "hinge+r1"}
    assert command(row(loss="hinge", objective="hinge")).startswith("genbench study")


@pytest.mark.parametrize("data", ["stacked-mnist", "mnist", "cifar10"])
def test_a_folder_of_pictures_is_asked_for(data):
    words = shlex.split(command(row(data=data)))
    assert words[words.index("--data") + 1] == f"{data}=FOLDER"


def test_a_bare_row_has_a_command_too():
    found = command({"data": "ring8", "loss": "hinge", "seed": 0})
    assert found == "genbench study mode-collapse --data ring8 --losses hinge --seeds 1"
