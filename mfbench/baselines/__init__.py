"""Baselines: errors on the test split of predictors that are not trained by gradient descent.

They are the zero predictor, ridge regression on a window of the input, and the best linear system
of a given state size. Errors are relative to the target's variance, as those of models are.
"""
