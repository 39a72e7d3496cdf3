"""Files in folders and archives, as a submission brings them: read with limits, never unpacked to disk.

So a link or `..` in an archive leads nowhere, a zip bomb does not go off, and a name is only a name.
"""

import bz2
import gzip
import io
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

MOST_BYTES = 1 << 20  # of one source file
_MOST_PACKED = 64 << 20  # of an archive within another
_MOST_UNPACKED = 256 << 20  # of one archive, what is skipped included
_MOST_MEMBERS = 20_000
_DEEPEST = 3  # a class in an archive, in it the archive that a student made, in it one more
_SOURCES = (".cpp", ".cc", ".cxx", ".hpp", ".h", ".yml")
_OPENERS: dict[bytes, Callable[[IO[bytes]], IO[bytes]]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"BZ": bz2.BZ2File,  # type: ignore[dict-item]
    b"\xfd7": lzma.LZMAFile,  # type: ignore[dict-item]
}
_BROKEN = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError,
           RuntimeError, NotImplementedError, ValueError)  # fmt: skip
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2")


@dataclass(frozen=True)
class File:
    """A file: its path in what was handed in (an archive counts as a folder), and what stands in it.

    Nothing stands in a folder, and in what is not read; `note` says why that is.
    """

    path: PurePosixPath
    text: bytes | None = None
    note: str | None = None


class _Refused(Exception):
    """An archive is not read on; the text says why."""


def read(source: Path) -> Iterator[File]:
    """All folders and source files in a folder or an archive. Raises OSError."""
    if source.is_dir():
        yield from _read_folder(source)
    else:
        with source.open("rb") as file:
            yield from _read_archive(PurePosixPath(), source.name, file, 1)


def is_archive(name: str) -> bool:
    return name.lower().endswith(ARCHIVES)


def _read_folder(top: Path) -> Iterator[File]:
    for folder, folders, names in os.walk(top):
        here = PurePosixPath(Path(folder).relative_to(top).as_posix())
        yield File(here)
        folders[:] = sorted(name for name in folders if name not in (".git", "build", "__MACOSX"))
        for name in list(folders):
            if Path(folder, name).is_symlink():
                yield File(here / name, note="is a link, and was not followed")
        for name in sorted(names):
            path = Path(folder, name)
            if not stat.S_ISREG(path.lstat().st_mode):
                yield File(here / name, note="is not a file (a link, a pipe, a device), and was not read")
            elif is_archive(name):
                with path.open("rb") as file:
                    yield from _read_archive(here / name, name, file, 1)
            elif name.lower().endswith(_SOURCES):
                with path.open("rb") as file:
                    yield _source(here / name, file)


def _source(path: PurePosixPath, file: IO[bytes]) -> File:
    text = file.read(MOST_BYTES + 1)
    if len(text) > MOST_BYTES:
        return File(path, note=f"is larger than {MOST_BYTES >> 20} MiB, and was not read")
    return File(path, text)


def _read_archive(at: PurePosixPath, name: str, file: IO[bytes], depth: int) -> Iterator[File]:
    yield File(at)
    try:
        members = _zip_members(file) if name.lower().endswith(".zip") else _tar_members(file)
        for count, (path, size, opened) in enumerate(members):
            if count >= _MOST_MEMBERS:
                raise _Refused(f"holds more than {_MOST_MEMBERS:,} files")
            inside = at / _below(path)
            if opened is None:
                yield File(inside, note=None if path.endswith("/") else "is a link or a device, and was not read")
            elif is_archive(path) and depth < _DEEPEST:
                packed = opened().read(_MOST_PACKED + 1)
                if len(packed) > _MOST_PACKED:
                    yield File(inside, note=f"is larger than {_MOST_PACKED >> 20} MiB, and was not read")
                else:
                    yield from _read_archive(inside, path, io.BytesIO(packed), depth + 1)
            elif path.lower().endswith(_SOURCES):
                yield _source(inside, opened())
    except _Refused as error:
        yield File(at, note=f"{error}, and was not read on")
    except _BROKEN as error:
        yield File(at, note=f"is an archive that cannot be read: {error}")


def _below(path: str) -> PurePosixPath:
    """A member's path with all that could lead elsewhere taken as a plain name."""
    parts = [part for part in path.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    return PurePosixPath(*parts)


_Member = tuple[str, int, Callable[[], IO[bytes]] | None]


def _zip_members(file: IO[bytes]) -> Iterator[_Member]:
    with zipfile.ZipFile(file) as archive:
        budget = _Budget()
        for info in archive.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            regular = not info.is_dir() and kind in (0, stat.S_IFREG)

            def opened(info: zipfile.ZipInfo = info) -> IO[bytes]:
                return _Limited(archive.open(info), budget)  # type: ignore[return-value]

            yield info.filename, info.file_size, opened if regular else None


def _tar_members(file: IO[bytes]) -> Iterator[_Member]:
    opener = _OPENERS.get(file.read(2))
    file.seek(0)
    whole = opener(file) if opener else file
    # One after the other, so that all that is unpacked is counted.
    with tarfile.open(fileobj=_Limited(whole, _Budget()), mode="r|") as archive:
        for info in archive:

            def opened(info: tarfile.TarInfo = info) -> IO[bytes]:
                found = archive.extractfile(info)
                assert found
                return found

            name = info.name + ("/" if info.isdir() else "")
            yield name, info.size, opened if info.isreg() else None


class _Budget:
    """How much may still be unpacked."""

    def __init__(self) -> None:
        self.left = _MOST_UNPACKED

    def spend(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise _Refused(f"unpacks to more than {_MOST_UNPACKED >> 20} MiB")


class _Limited(io.RawIOBase):
    """Reads from a file until the budget is used up."""

    def __init__(self, file: IO[bytes], budget: _Budget) -> None:
        self._file, self._budget = file, budget

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        most = self._budget.left + 1
        data = self._file.read(most if size < 0 else min(size, most))
        self._budget.spend(len(data))
        return data
