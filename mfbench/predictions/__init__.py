"""Predictions from theory papers, judged on the results of studies.

Each module here that defines `PREDICTION` is one prediction: its source, its statement in the
terms of mfbench, the data it needs, a statistic, and a rule for the verdict. Each rule was fixed
before anyone saw the numbers it judges. `python -m mfbench.predictions CUBE...` prints the
scoreboard of one or more studies.
"""
