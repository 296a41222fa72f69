"""Files that are whole or not there, say where they come from, and show when they are broken."""

from mfbench.files.atomic import atomic, write_text
from mfbench.files.document import read_json, write_json
from mfbench.files.integrity import (
    BrokenFileError,
    OtherFileError,
    check_identity,
    check_variables,
    sealed,
)
from mfbench.files.machine import this_machine
from mfbench.files.provenance import git_commit, package_versions, provenance

__all__ = [
    "BrokenFileError",
    "OtherFileError",
    "atomic",
    "check_identity",
    "check_variables",
    "git_commit",
    "package_versions",
    "provenance",
    "read_json",
    "sealed",
    "this_machine",
    "write_json",
    "write_text",
]
