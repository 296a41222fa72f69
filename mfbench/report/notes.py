"""Notes below the figures of the report."""

NOTES = {
    "failure_boundaries": "The summary has the same numbers. Each seed is a trial. Few seeds or "
    "widely spaced levels make wide intervals; the setting refine adds levels within them.",
    "distance_to_optimum": "An error is the product of two factors: the LTI floor (the error of "
    "the best linear model we know of this state size) and the ratio of the error to that floor. "
    "Only grey: a linear model needs a larger state; better training cannot help. Orange: a better "
    "linear model of this size exists, but training did not find it or the architecture cannot "
    "represent it.",
    "error_parts": "The error of any causal model on white input is the sum of four parts. Wrong "
    "memory function: the learned memory function differs from the target's. Varies over time: the "
    "response depends on the time step. Bias: the mean prediction is not zero. Nonlinear residual: "
    "the part of the prediction that is not linear in the input.",
    "memory_functions": "The first part of the error (wrong memory function), lag by lag. Grey, "
    "where the state is known: the linear memory capacity of the state, which sums to at most its "
    "size. A state can hold a weighted sum of past inputs without holding each of them. That is "
    "enough for the exponential kernel; an impulse needs the input at exactly its lag.",
    "lags_over_training": "If the points rise with the lag, short memory is learned first. A lag "
    "that is learned between two validations counts from the later one.",
    "weight_perturbation": "If the error stays low under larger changes, the model stores its "
    "memory in a stable parametrisation.",
    "length_generalisation": "The error is relative to predicting zero on the longer sequences. If "
    "a kernel's tail extends beyond the training length, longer sequences show parts of it that no "
    "model has seen.",
}
