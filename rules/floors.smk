rule floors:
    """The lowest errors that linear models of given sizes can reach on one task."""
    output:
        PATHS.pattern("floors"),
    log:
        PATHS.log("floors"),
    benchmark:
        PATHS.benchmark("floors")
    conda:
        "../envs/datasets.yaml"
    resources:
        mem_mb=memory(STUDY, "floors"),
        runtime=runtime("floors"),
        gpu=0,
    params:
        settings=FLOOR_SETTINGS,
        family=lambda wildcards: FAMILIES[wildcards.kernel],
        kernel=lambda wildcards: KERNEL_CODE[wildcards.kernel],
        code=stage_digest("floors"),
    script:
        "../workflow_scripts/compute_floors.py"
