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
