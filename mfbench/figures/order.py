"""Names of all figures in the order of the report, without importing altair."""

FIGURES = (
    "error_by_memory_length",
    "failure_boundaries",
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
