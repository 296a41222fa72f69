"""Measure the trained models of one (architecture, width, kernel) on the test split."""
