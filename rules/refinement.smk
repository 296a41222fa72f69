"""The phase `refine`, where the study asks for it: levels around each failure boundary."""

STUDY_SETTINGS = study_settings(
    STUDY, refine=False
)  # it leaves the first phase as it is


use rule benchmark_cube as study_cube with:
    # The study's own levels alone.
    input:
        evaluations=evaluations,
        added=[],
    output:
        PATHS.file("cube", phase="study"),
    log:
        PATHS.log("cube").format(phase="study"),
    benchmark:
        PATHS.benchmark("cube").format(phase="study")
    params:
        settings=lambda wildcards: STUDY_SETTINGS,
        architectures=listed("architectures", STUDY.architectures),
        kernels=listed("kernels", STUDY.kernels),
        code=stage_digest("cube"),


checkpoint refine:
    """Which levels to add to which group; only then is it known what else to train."""
    input:
        PATHS.file("cube", phase="study"),
    output:
        PATHS.file("cells", phase="refine"),
    log:
        PATHS.log("cells").format(phase="refine"),
    benchmark:
        PATHS.benchmark("cells").format(phase="refine")
    conda:
        "../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=memory(STUDY, "cube"),
        runtime=runtime("cube"),
        gpu=0,
    params:
        levels=STUDY.refine.levels,
        settings=lambda wildcards: STUDY_SETTINGS,
        kernels=list(KERNEL_CODE.values()),
        code=stage_digest("refinement"),
    script:
        "../workflow_scripts/refine_levels.py"


rule evaluated:
    """The list of a phase's evaluations.

    It stands between the checkpoint and the cube because Snakemake looks at neither params nor the
    set of inputs of a job that waits for a checkpoint itself.
    """
    input:
        lambda wildcards: evaluations_of(wildcards.phase),
    output:
        PATHS.pattern("evaluated"),
    log:
        PATHS.log("evaluated"),
    conda:
        "../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
        gpu=0,
    script:
        "../workflow_scripts/list_evaluations.py"
