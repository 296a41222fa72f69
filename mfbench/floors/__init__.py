"""Floors: the least error that a model of a given size can have on a task.

`lower_bound` is certified, `upper_bound` comes with a system that attains it; between the two lies
the best linear recurrence of that order. `fir_floor` is exact for a finite receptive field, and
`stable_floor` says what is left when terms may not cancel each other. docs/theory.md derives them.
"""
