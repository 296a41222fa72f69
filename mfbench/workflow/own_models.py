"""Which files a user's model consists of: those that importing it really loads.

The import runs in a process of its own, since a plan must not load torch; the answer is kept until
one of these files changes.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from mfbench.files import read_json, write_json
from mfbench.files.integrity import BrokenFileError
from mfbench.models.registry import Source

# Prints the modules that an import has loaded, also where the import breaks: the job says why.
_LIST = """
import json, sys
sys.path.insert(0, sys.argv[2])
from mfbench.models.registry import load_class, locate
source = locate(sys.argv[1])
try:
    load_class(source)
except BaseException:
    pass
files = {n: getattr(m, "__file__", None) for n, m in list(sys.modules.items())}
sys.__stdout__.write("\\n" + json.dumps({n: f for n, f in files.items() if isinstance(f, str)}))
"""


def loaded_files(source: Source, *, cache: str) -> tuple[list[Path], list[str]]:
    """The files of a user's model, and what it imports of mfbench.

    Parameters
    ----------
    source : Source
        Of a model in a file of its own.
    cache : str
        Folder in which the answer is kept.

    Returns
    -------
    files : list of Path
        Its own file, and all modules below the folder of this file that are loaded with it.
    modules : list of str
        Modules of mfbench's `models`, without ``mfbench.``.
    """
    name = hashlib.sha256(source.reference.encode()).hexdigest()[:16]
    kept = Path(cache) / f"{name}.json"
    folder = source.path.resolve().parent
    try:
        known = read_json(kept)
        files = [folder / file for file in known["files"]]
        if known["files"] == _contents(files, folder):
            return sorted(files), known["modules"]
    except (OSError, BrokenFileError, KeyError):
        pass
    files, modules = _import(source)
    with suppress(OSError):  # a dry run in a folder that cannot be written
        write_json(kept, {"files": _contents(files, folder), "modules": modules})
    return files, modules


def _import(source: Source) -> tuple[list[Path], list[str]]:
    package = Path(__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", _LIST, source.reference, str(package.parent)],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        loaded: dict[str, str] = json.loads(done.stdout.rpartition("\n")[2])
    except ValueError:  # it ended the process
        loaded = {}
    folder = source.path.resolve().parent
    files = {source.path.resolve()}
    for file in (Path(f).resolve() for f in loaded.values()):
        elsewhere = package in file.parents or "site-packages" in file.parts
        # torch has modules with the name of a file that does not exist.
        if folder in file.parents and file.suffix == ".py" and file.is_file() and not elsewhere:
            files.add(file)
    modules = [n.partition(".")[2] for n in loaded if n.startswith("mfbench.models.")]
    return sorted(files), sorted(modules)


def _contents(files: Iterable[Path], folder: Path) -> dict[str, str]:
    """Digests by path below the model's folder, which may be copied or moved."""
    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
    }
