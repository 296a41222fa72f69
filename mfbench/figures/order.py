"""Names of all figures in the order of the report, and formats, without importing altair."""

FIGURES = (
    "error_by_memory_length",
    "failure_boundaries",
    "boundary_by_size",
    "error_map",
    "distance_to_optimum",
    "error_parts",
    "memory_functions",
    "training_curves",
    "lags_over_training",
    "weight_perturbation",
    "length_generalisation",
    "boundary_by_budget",
)
FORMATS = (".png", ".svg", ".html")  # of a chart that a user saves
