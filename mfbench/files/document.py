"""JSON objects on disk, written atomically and sealed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mfbench.files.atomic import write_text
from mfbench.files.integrity import BrokenFileError, canonical, digest_of

_KEY = "sha256"


def write_json(path: str | Path, content: Mapping[str, Any]) -> None:
    """Write a JSON object atomically, with its seal under ``usermeta``.

    Raises
    ------
    ValueError
        The object has that key already.
    """
    content = json.loads(json.dumps(content))  # as it is read again: keys are texts
    if "usermeta" in content:
        raise ValueError(f"{path}: the key 'usermeta' is reserved for the seal")
    document = {**content, "usermeta": {_KEY: digest_of(canonical(content))}}
    write_text(path, json.dumps(document, indent=1, sort_keys=True) + "\n")


def read_json(path: str | Path) -> dict[str, Any]:
    """Read what `write_json` has written.

    Raises
    ------
    OSError
        The file is missing or cannot be read.
    BrokenFileError
        It is empty, cut off, corrupt or none of mfbench.
    """
    text = Path(path).read_bytes()
    try:
        document = json.loads(text)
        found = document.pop("usermeta")[_KEY]
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise BrokenFileError(path, f"empty, cut off or corrupt ({error!r})") from None
    if found != digest_of(canonical(document)):
        raise BrokenFileError(path, "corrupt, its content does not match its seal")
    return document  # type: ignore[no-any-return]
