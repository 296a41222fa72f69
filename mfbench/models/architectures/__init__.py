"""Architectures, one file each. The file name is the name of the architecture."""
