"""Published predictions of theory, and what the numbers of a study say about them.

Every module beside this one that defines `PREDICTION` is a prediction: its source, its statement
in the terms of mfbench, the part of a cube that it needs, the statistic, and a rule for the
verdict that was fixed before the numbers that it judges were seen. `python -m mfbench.predictions
CUBE...` prints the scoreboard of any number of studies.
"""
