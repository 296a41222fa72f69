"""Outcome of a member, as it is coded in files."""

STATUS = ("absent", "ok", "diverged")  # codes 0, 1, 2; absent stands only in cubes
