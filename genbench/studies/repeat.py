"""The command which repeats a row."""

from __future__ import annotations

import json
import shlex
from typing import Any

from genbench.data import CATALOG, ON_DISK
from genbench.studies.protocols import PROTOCOLS

_OPTIONS = ("protocol", "steps", "device", "dtype", "backend")


def command(row: dict[str, Any]) -> str:
    """A shell line, or a call in Python where the row needs what no shell line can say.

    Both run the seeds before the row's own too, for a study counts its seeds from 0.
    """
    spec = row.get("specification") or {}
    named = {name: spec[name] for name in _OPTIONS if spec.get(name) is not None}
    protocol = PROTOCOLS.get(str(spec.get("protocol")))
    if protocol is not None and spec.get("batch_size", protocol.batch_size) != protocol.batch_size:
        named["batch"] = spec["batch_size"]
    if "compiled" in spec:
        named["compile"] = "on" if spec["compiled"] else "off"
    labelled = spec.get("objective") not in (None, row["loss"])
    plain = not spec.get("identity") and row["data"] in CATALOG and not labelled
    return _shell(row, spec, named) if plain else _call(row, spec, named)


def _own_config(spec: dict[str, Any]) -> dict[str, Any]:
    """Constants that differ from the protocol's."""
    protocol = PROTOCOLS.get(str(spec.get("protocol")))
    known = {} if protocol is None else dict(protocol.model)
    config = spec.get("config") or {}
    return {k: v for k, v in config.items() if k not in known or _plain(known[k]) != _plain(v)}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _shell(row: dict[str, Any], spec: dict[str, Any], named: dict[str, Any]) -> str:
    parts = ["--data", _data(row), "--losses", row["loss"], "--seeds", row["seed"] + 1]
    options = [part for name, value in named.items() for part in (f"--{name}", value)]
    pairs = [f"{name}={json.dumps(value)}" for name, value in _own_config(spec).items()]
    constants = ["--set", *pairs] if pairs else []
    words = ["genbench", "study", "mode-collapse", *parts, *options, *constants]
    return shlex.join(map(str, words))


def _data(row: dict[str, Any]) -> str:
    """Its name; a row knows the folder of a user's pictures by their content alone."""
    return f"{row['data']}=FOLDER" if row["data"] in ("stacked-mnist", *ON_DISK) else row["data"]


def _call(row: dict[str, Any], spec: dict[str, Any], named: dict[str, Any]) -> str:
    """What is the user's own stands as its name: the row knows its content by a digest alone."""
    own = spec.get("identity") or {}
    data = repr(_data(row)) if row["data"] in CATALOG else f"{{{row['data']!r}: ...}}"
    label, objective = row["loss"], spec.get("objective")
    loss = repr(label if objective in (None, label) else {label: objective})
    loss = f"{{{label!r}: ...}}" if "loss" in own else loss
    networks = [f"{name}=..." for name in ("generator", "critic") if name in own]
    rest = [f"{name}={value!r}" for name, value in named.items() if name != "backend"]
    config = [f"config={changed!r}"] if (changed := _own_config(spec)) else []
    first = [f"data={data}", f"losses={loss}", *networks, f"seeds={row['seed'] + 1}"]
    return f"genbench.studies.mode_collapse({', '.join([*first, *rest, *config])})"
