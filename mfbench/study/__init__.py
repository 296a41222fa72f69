"""The study file as one pydantic model, checked as a whole before anything runs.

Each section has its own file, so that a stage depends only on the sections that it uses. Nothing
here imports torch or xarray.
"""
