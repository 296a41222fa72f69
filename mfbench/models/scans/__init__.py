"""Recurrences over time, one file each: the obvious loop, which is the oracle, and fast forms.

Each file has one function to call. It chooses the form, and takes all members at once where the
models of an ensemble run under `torch.vmap`.
"""
