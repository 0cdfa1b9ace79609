"""Where samples come from, for error lines: every fault of a file is one InputError line."""

from __future__ import annotations

import gzip
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from genbench.errors import InputError

# What zipfile, gzip, zlib and the system raise for damaged or vanished files.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    OverflowError,
    UnicodeError,
)


@dataclass(frozen=True)
class Origin:
    """The argument that named a file, and the file."""

    argument: str
    path: Path

    def fault(self, text: str) -> InputError:
        """The error to raise: argument, path and `text` in one printable line."""
        return InputError(f"{self.argument}: {printable(str(self.path))} {printable(text)}")

    def at(self, path: Path) -> Origin:
        """The same argument, another file: one of a folder."""
        return Origin(self.argument, path)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Turn what the system and the unpackers raise into an InputError."""
        try:
            yield
        except gzip.BadGzipFile as error:  # an OSError
            raise self.fault(f"is damaged: {error}") from error
        except OSError as error:
            raise self.fault(f"cannot be read: {error.strerror or error}") from error
        except MemoryError as error:
            raise self.fault("cannot be read: not enough memory") from error
        except _DAMAGE as error:
            raise self.fault(f"is damaged: {error}") from error

    def stream(self) -> IO[bytes]:
        """The file's bytes, unbuffered: what is read is what the file holds now."""
        return cast("IO[bytes]", open(self.path, "rb", buffering=0))

    def file_size(self) -> int:
        """Bytes of the file; raises InputError unless it is a regular file that can be read."""
        with self.reading():
            status = os.stat(self.path)
            if not stat.S_ISREG(status.st_mode):  # a pipe would wait for ever
                raise self.fault("must be a regular file")
            with open(self.path, "rb"):
                return status.st_size


def printable(text: str) -> str:
    """`text` in one line that any terminal shows: other characters as Python escapes them."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
