"""What the Snakefile needs at parse time: neither torch nor xarray is imported here."""
