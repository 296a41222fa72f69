"""Commands of ``mfbench``, one per file; app.py puts them together."""
