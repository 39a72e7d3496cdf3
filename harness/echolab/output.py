"""Files that are asked for by an option: refused early, written whole or not at all."""

import os
import sys
import tempfile
from pathlib import Path

STDOUT = Path("-")


class NotWritable(Exception):
    """The file cannot be written; the text says which and why."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(f"cannot write {path}: {error.strerror}")


def check_writable(path: Path) -> None:
    """Raises NotWritable if write_whole() would; creates and changes nothing."""
    if path == STDOUT:
        return
    try:
        if _is_replaced(path):
            handle, name = tempfile.mkstemp(dir=path.resolve().parent, prefix=".lab-")
            os.close(handle)
            os.unlink(name)
        else:
            os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
    except OSError as error:
        raise NotWritable(path, error) from error


def write_whole(path: Path, text: str) -> None:
    """Writes `text`, or leaves what was there; "-" is stdout. Raises NotWritable."""
    if path == STDOUT:
        sys.stdout.write(text)
        return
    try:
        if _is_replaced(path):
            _replace(path.resolve(), text)
        else:
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise NotWritable(path, error) from error


def _is_replaced(path: Path) -> bool:
    """Whether a new file takes the place of the old: not for a folder, a pipe or a device."""
    return path.is_file() or not path.exists()


def _replace(path: Path, text: str) -> None:
    """The text goes to a file beside it, which gets the name when all of it is on the disk."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".lab-")
    try:
        with open(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), _mode(path))
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def _mode(path: Path) -> int:
    """The permissions that the old file has, or that a new one would get (man 2 umask)."""
    if path.exists():
        return path.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
