"""Subcommands of ``mfbench``: each has ``add_to``, which says how it is called."""
