"""Seals: a digest within each file by which a reader knows that not one bit of it has changed.

HDF5 and safetensors do not check their own contents: a library that reads a broken file may crash,
or return numbers. A seal is the SHA-256 of all the rest of the file (1 GB/s on one core):

- NetCDF: a last line behind the end that HDF5 knows of, which other readers do not see;
- safetensors: an entry of the metadata;
- JSON objects: ``usermeta``, which Vega-Lite leaves to the user.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from mfbench.files.paths import named

_LINE = "\nmfbench sha256 {}\n"
_LAST = re.compile(rb"\nmfbench sha256 ([0-9a-f]{64})\n")
_LAST_SIZE = len(_LINE.format("0" * 64))
_KEY = "sha256"
_METADATA = "__metadata__"  # of the safetensors format
_BLOCK = 2**20


class BrokenFileError(ValueError):
    """A file that is corrupt, cut off or another than its name says, and what to do about it.

    Attributes
    ----------
    path : Path
        The file.
    problem : str
        What is wrong with it.
    """

    def __init__(self, path: str | Path, problem: str) -> None:
        super().__init__(path, problem)
        self.path, self.problem = Path(path), problem

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}; delete it and run again to recreate it"


class OtherFileError(BrokenFileError):
    """A whole file that was made for something else."""


def sealed(path: str | Path) -> Path:
    """The path of a NetCDF or safetensors file, once its seal is found intact.

    Raises
    ------
    OSError
        The file is missing or cannot be read.
    BrokenFileError
        The file is empty, cut off, corrupt or none of mfbench.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        header, data = _safetensors(path)
        found = header.get(_METADATA, {}).pop(_KEY, None)
        expected = digest_of(canonical(header), data)
    else:
        with open(path, "rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _LAST_SIZE))
            last = _LAST.fullmatch(file.read())
            found = last[1].decode() if last else None
            expected = _digest_of_start(file, size - _LAST_SIZE) if last else ""
    if found is None:
        raise BrokenFileError(
            path,
            "no seal of mfbench at its end: empty, cut off, changed by another program, or not "
            "written by this version",
        )
    if found != expected:
        raise BrokenFileError(path, "corrupt, its content does not match its seal")
    return path


def seal(path: Path, suffix: str) -> None:
    """Seal a file that has just been written, in place; a suffix of no such kind needs no seal."""
    if suffix == ".nc":
        with open(path, "rb+") as file:
            size = file.seek(0, 2)
            digest = _digest_of_start(file, size)
            file.seek(size)
            file.write(_LINE.format(digest).encode())
    elif suffix == ".safetensors":
        header, data = _safetensors(path)
        metadata = {**header.get(_METADATA, {}), _KEY: ""}
        del metadata[_KEY]
        header[_METADATA] = metadata
        metadata[_KEY] = digest_of(canonical(header), data)
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)  # tensors start at multiples of 8 bytes
        with open(path, "wb") as file:  # part by part: data may be large
            file.write(len(text).to_bytes(8, "little"))
            file.write(text)
            file.write(data)


def check_identity(path: str | Path, found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Refuse a whole file that was made for something else, or lies under another file's name.

    Parameters
    ----------
    path : path
        The file.
    found : mapping
        The settings that it says it was made with, with its own names under ``file``; it may have
        more than is expected.
    expected : mapping
        The settings that it should have been made with, to any depth.

    Raises
    ------
    OtherFileError
        It belongs to another cell or study; the message names the first difference.
    """
    name = named(path)
    plain = json.loads(json.dumps({**({"file": name} if name else {}), **expected}))
    if other := next(differences(found, plain), ""):
        raise OtherFileError(path, f"belongs to another cell or study: made for {other}")


def check_variables(
    path: str | Path, kind: str, present: Collection[Any], *, needed: Collection[str]
) -> None:
    """Refuse a whole file of another kind, which lacks what this kind has.

    Raises
    ------
    BrokenFileError
        Something is not there.
    """
    if lacking := sorted(set(needed) - set(present)):
        raise BrokenFileError(path, f"not an mfbench {kind} file: it lacks {', '.join(lacking)}")


def differences(found: Any, expected: Any, *, exact: bool = False, name: str = "") -> Iterator[str]:
    """The expected settings that were not found, in words.

    With `exact`, settings that were found must be expected, too.

    Examples
    --------
    >>> list(differences({"task": {"seed": 1, "length": 8}}, {"task": {"seed": 0}}))
    ['task.seed = 1, not 0']
    """
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        for key in sorted({*expected, *found} if exact else expected):
            pair = found.get(key), expected.get(key)
            yield from differences(*pair, exact=exact, name=f"{name}.{key}")
    elif found != expected:
        yield f"{name[1:]} = {found!r}, not {expected!r}"


def _safetensors(path: Path) -> tuple[dict[str, Any], bytes]:
    """Header and tensors of a file, as far as the seal needs them."""
    content = path.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    try:
        header = json.loads(content[8:end])
        if not isinstance(header, dict) or not isinstance(header.get(_METADATA, {}), dict):
            raise ValueError("its header is no table of tensors")
    except ValueError as error:
        raise BrokenFileError(path, f"empty, corrupt or not safetensors ({error})") from None
    return header, content[end:]


def canonical(value: Any) -> bytes:
    """JSON in one form, whatever the order of its keys."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def digest_of(*parts: bytes) -> str:
    """SHA-256 of some bytes, in hexadecimal digits."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _digest_of_start(file: Any, size: int) -> str:
    digest = hashlib.sha256()
    file.seek(0)
    while size > 0 and (block := file.read(min(size, _BLOCK))):
        digest.update(block)
        size -= len(block)
    return digest.hexdigest()
