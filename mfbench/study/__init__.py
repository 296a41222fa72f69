"""The study: one pydantic model, checked whole before anything runs.

A section that a stage needs at work has a file of its own, so that the stage depends on that file
and not on the whole configuration. Neither torch nor xarray is imported here.
"""
