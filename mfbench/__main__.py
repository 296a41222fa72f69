"""``python -m mfbench`` is ``mfbench``."""

from __future__ import annotations

import sys

from mfbench.commands.app import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
