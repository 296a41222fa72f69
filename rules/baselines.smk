"""Errors that need no training: of zero, of ridge regression and of linear systems."""


rule baselines:
    """Zero, ridge regression on a window, and linear systems of the models' state sizes."""
    input:
        dataset=PATHS.pattern("dataset"),
        floors=PATHS.pattern("floors"),
    output:
        PATHS.pattern("baselines"),
    log:
        PATHS.log("baselines"),
    benchmark:
        PATHS.benchmark("baselines")
    conda:
        "../envs/datasets.yaml"
    threads: 1
    resources:
        mem_mb=memory(STUDY, "baselines"),
        runtime=runtime("baselines"),
        gpu=0,
    params:
        settings=DATASET_SETTINGS,
        states=Listed("state sizes", STUDY.state_sizes()),
        code=stage_digest("baselines"),
    script:
        "../workflow_scripts/compute_baselines.py"


rule listed_baselines:
    """The list of a later phase's baselines, for the same reason as `evaluated`."""
    input:
        added_baselines,
    output:
        PATHS.pattern("listed_baselines"),
    log:
        PATHS.log("listed_baselines"),
    conda:
        "../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
        gpu=0,
    script:
        "../workflow_scripts/list_evaluations.py"
