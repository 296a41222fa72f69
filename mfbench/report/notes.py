"""What a reader should know about each figure, where its title does not say it."""

NOTES = {
    "failure_boundaries": "The summary has the same numbers. Seeds are the trials: few of them, or "
    "levels that are far apart, make wide intervals; refine in the study adds levels within them.",
    "distance_to_optimum": "An error is the product of two parts: the floor (what the best linear "
    "model of this state size leaves) and what comes on top of it. Grey alone: better training "
    "cannot help a linear model, a larger state can. Orange: a better linear model of the same "
    "size exists, and training has not found it, or the architecture cannot take its form.",
    "error_parts": "The error of any causal model under white input is the sum of four parts: the "
    "learned memory function is not the target's; the response depends on the time step; the mean "
    "prediction is not zero; and what of the predictions is not linear in the input.",
    "memory_functions": "The first of these parts, lag by lag.",
    "lags_over_training": "Steps that rise with the lag mean that short memory is learned first. "
    "A lag between two validations counts from the later one on.",
    "weight_perturbation": "A model whose error stays low under larger changes holds its memory in "
    "a stable parametrisation.",
    "length_generalisation": "The error is relative to predicting zero on the longer sequences. A "
    "kernel with a tail beyond the training length is longer there too, which no model has seen.",
}
