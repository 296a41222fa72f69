"""Recurrences over time, one file each: a plain loop, used as the oracle, and fast forms.

Call the function `*_scan` of a file. It chooses the form, and under `torch.vmap` it runs all
members of an ensemble at once.
"""
