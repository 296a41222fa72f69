rule dataset:
    """Input, target and memory function of one task."""
    output:
        PATHS.pattern("dataset"),
    log:
        PATHS.log("dataset"),
    benchmark:
        PATHS.benchmark("dataset")
    conda:
        "../envs/datasets.yaml"
    resources:
        mem_mb=memory(STUDY, "dataset"),
        runtime=runtime("dataset"),
        gpu=0,
    params:
        settings=DATASET_SETTINGS,
        family=lambda wildcards: FAMILIES[wildcards.kernel],
        kernel=lambda wildcards: KERNEL_CODE[wildcards.kernel],
        code=stage_digest("dataset"),
    script:
        "../workflow_scripts/generate_dataset.py"
