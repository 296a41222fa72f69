"""Outcome of a member, as it is coded in files.

absent: not in the study, not asked for, or not run yet. A failed member is one of a cell in
which the architecture's own code breaks, in the training or in the evaluation: it has no numbers,
and is no evidence of what the architecture can or cannot learn.
"""

STATUS = ("absent", "ok", "diverged", "failed")  # codes 0, 1, 2, 3
TRIALS = ("ok", "diverged")  # a member that is a trial, with success or without
