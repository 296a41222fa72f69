"""How long `mfbench.train` and ``mfbench try`` train, if not told otherwise.

Half of a study's batch: four members of the slowest architecture then take less than a minute.
"""

WIDTH = 16
LENGTH = 64
STEPS = 500
BATCH = 32
LEARNING_RATES = (0.01, 0.03)
SEEDS = 2
