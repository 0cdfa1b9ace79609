"""Plain values and arrays of bytes in a pickle, read as data: nothing it names is ever looked up.

Python's own unpickler, even one that finds no class, fills memory for an absurd memo index and
hashes keys without end; here the few operations that such a file needs move plain values about.
"""

from __future__ import annotations

import math
import pickletools
import struct
from typing import Any, NamedTuple

import numpy as np

from genbench.data.origin import Origin

_VALUES = frozenset(
    [
        "INT",
        "BININT",
        "BININT1",
        "BININT2",
        "LONG",
        "LONG1",
        "STRING",
        "BINSTRING",
        "SHORT_BINSTRING",
        "UNICODE",
        "BINUNICODE",
        "SHORT_BINUNICODE",
        "SHORT_BINBYTES",
        "BINBYTES",
        "BINBYTES8",
        "BYTEARRAY8",
    ]
)
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_PUTS, _GETS = ("PUT", "BINPUT", "LONG_BINPUT"), ("GET", "BINGET", "LONG_BINGET")
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
# What NumPy 1 and 2 and Python 2 and 3 write for an array of bytes.
_ARRAY, _BUFFER, _TYPE, _ENCODE = "_reconstruct", "_frombuffer", "numpy dtype", "_codecs encode"
_KNOWN = {
    "numpy.core.multiarray _reconstruct": _ARRAY,
    "numpy._core.multiarray _reconstruct": _ARRAY,
    "numpy.core.numeric _frombuffer": _BUFFER,
    "numpy._core.numeric _frombuffer": _BUFFER,
    "numpy ndarray": "numpy ndarray",
    _TYPE: _TYPE,
    _ENCODE: _ENCODE,
}


class _Refused(Exception):
    """Why a pickle is not read."""


class _Name(NamedTuple):
    """Stands for a function or class; it is compared, never looked up."""

    text: str


class _Bytes:
    """Stands for the type of bytes, numpy.dtype("u1")."""


class _Array:
    """Stands for an array until its state comes."""

    values: np.ndarray | None = None


def read_pickle(content: bytes, origin: Origin, *, what: str = "") -> dict[str, Any]:
    """The dict of a pickle: texts (bytes as latin-1), numbers, lists, tuples, uint8 arrays.

    `what` names a member of an archive for errors. Raises InputError for anything else, nothing of
    which is made, imported or called.
    """
    machine = _Machine()
    try:
        for operation, argument, _ in pickletools.genops(content):
            machine.run(operation.name, argument)
        (found,) = machine.stack
    except _Refused as refused:
        raise origin.fault(f"{what}is a pickle that {refused}") from None
    except (ValueError, LookupError, TypeError, OverflowError, struct.error) as error:
        raise origin.fault(f"{what}is a damaged pickle") from error
    if not isinstance(found, dict):
        raise origin.fault(f"{what}must hold a dict, got {type(found).__name__.strip('_')}")
    return {
        key: value.values if isinstance(value, _Array) else value for key, value in found.items()
    }


class _Machine:
    """The stack, the marks on it and the memo."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        self._operations = {
            "MARK": lambda: self._marks.append(len(self.stack)),
            "TUPLE": lambda: self.stack.append(tuple(self._marked())),
            "LIST": lambda: self.stack.append(self._marked()),
            "DICT": self._dict,
            "EMPTY_LIST": lambda: self.stack.append([]),
            "EMPTY_DICT": lambda: self.stack.append({}),
            "APPEND": lambda: self._extend(self._last(1)),
            "APPENDS": lambda: self._extend(self._marked()),
            "SETITEM": lambda: self._set(self._last(2)),
            "SETITEMS": lambda: self._set(self._marked()),
            "STACK_GLOBAL": lambda: self._global(" ".join(map(_text, self._last(2)))),
            "REDUCE": self._reduce,
            "BUILD": self._build,
        }

    def run(self, name: str, argument: Any) -> None:
        """One operation."""
        stack = self.stack
        if name in _VALUES:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _PUTS or name == "MEMOIZE":
            self._memo[len(self._memo) if argument is None else argument] = stack[-1]
        elif name in _GETS:
            stack.append(self._memo[argument])
        elif name in _TUPLES:
            stack.append(tuple(self._last(_TUPLES[name])))
        elif name == "GLOBAL":
            self._global(argument)
        elif name in self._operations:
            self._operations[name]()
        elif name not in ("PROTO", "FRAME", "STOP"):
            raise _Refused(f"holds objects ({name}): only plain values and arrays are read")

    def _last(self, count: int) -> list[Any]:
        if count > len(self.stack) - (self._marks[-1] if self._marks else 0):
            raise ValueError("too few values")
        split = len(self.stack) - count
        found = self.stack[split:]
        del self.stack[split:]
        return found

    def _marked(self) -> list[Any]:
        place = self._marks.pop()
        found = self.stack[place:]
        del self.stack[place:]
        return found

    def _dict(self) -> None:
        pairs = self._marked()
        self.stack.append({})
        self._set(pairs)

    def _extend(self, values: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            raise TypeError("no list")
        self.stack[-1].extend(values)

    def _set(self, pairs: list[Any]) -> None:
        if not isinstance(self.stack[-1], dict):
            raise TypeError("no dict")
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            self.stack[-1][_text(key)] = value

    def _global(self, name: str) -> None:
        if name not in _KNOWN:
            raise _Refused(f"names {name[:60]!r}: nothing but arrays of bytes is read, nothing run")
        self.stack.append(_Name(_KNOWN[name]))

    def _reduce(self) -> None:
        """A call of one of `_KNOWN`, by what NumPy would make of it."""
        name, arguments = self._last(2)
        if not isinstance(name, _Name) or not isinstance(arguments, tuple):
            raise TypeError("no call")
        if name.text == _ENCODE:
            self.stack.append(_raw(arguments[0]))
        elif name.text == _TYPE:
            if _text(arguments[0]) not in ("u1", "uint8", "|u1", "B"):
                raise _Refused(f"holds an array of {_text(arguments[0])[:20]!r}, not of bytes")
            self.stack.append(_Bytes())
        elif name.text == _ARRAY:
            self.stack.append(_Array())
        elif name.text == _BUFFER:
            content, kind, shape, order = arguments
            self.stack.append(_filled(_Array(), shape, kind, order == "F", content))
        else:
            raise _Refused(f"calls {name.text!r}")

    def _build(self) -> None:
        (state,) = self._last(1)
        target = self.stack[-1]
        if isinstance(target, _Array):
            _, shape, kind, fortran, content = state
            _filled(target, shape, kind, fortran, content)
        elif not isinstance(target, _Bytes):  # of a type's state nothing matters to bytes
            raise _Refused("sets the state of what is no array")


def _filled(array: _Array, shape: Any, kind: Any, fortran: Any, content: Any) -> _Array:
    fitting = isinstance(kind, _Bytes) and isinstance(shape, tuple) and isinstance(fortran, bool)
    if not fitting:
        raise TypeError("no array of bytes")
    if not all(type(n) is int and n >= 0 for n in shape) or len(shape) > 4:
        raise ValueError("no shape")
    raw = _raw(content)
    if math.prod(shape) != len(raw):
        raise _Refused(f"declares an array of shape {shape!s:.60} and holds {len(raw)} bytes")
    array.values = np.frombuffer(raw, np.uint8).reshape(shape, order="F" if fortran else "C")
    return array


def _text(value: Any) -> str:
    """Text, or bytes as latin-1. TypeError for others: what is nested prints without end."""
    if isinstance(value, str):
        return value
    if not isinstance(value, bytes | bytearray):
        raise TypeError("no text")
    return value.decode("latin-1")


def _raw(value: Any) -> bytes:
    """Bytes, which Python 2 wrote as text."""
    if not isinstance(value, str | bytes | bytearray):
        raise TypeError("no bytes")
    return value.encode("latin-1") if isinstance(value, str) else bytes(value)
