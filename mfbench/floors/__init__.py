"""Floors: the lowest error that a model of a given size can reach on a task.

`lower.lower_bound` is certified and `upper.upper_bound` returns a system that attains it; the error
of the best linear recurrence of that order lies between the two. `finite.fir_floor` is exact for a
finite receptive field. `stable.stable_floors` penalise terms that cancel each other. docs/theory.md
derives all four.
"""
