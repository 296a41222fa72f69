"""Evaluation: what the trained models of one (architecture, width, kernel) do on the test split."""
