"""The phases after the first: each reads a cube and lists cells to add."""

# Settings of the cube that a phase reads, without the sections of that phase and of later ones,
# which cannot change that cube.
BEFORE = {
    phase: study_settings(STUDY, without=LATER_PHASES[i:])
    for i, phase in enumerate(LATER_PHASES)
}


def cube_before(phase):
    """The cube that a phase reads."""
    return PATHS.file("cube", phase=PHASES[PHASES.index(phase) - 1])


def settings_of_cube(wildcards):
    """The settings that the cube of a phase records."""
    return BEFORE[PHASES[PHASES.index(wildcards.phase) + 1]]


use rule benchmark_cube as phase_cube with:
    # All cells up to a phase.
    input:
        evaluations=evaluations,
        added=lambda wildcards: evaluated(*PHASES[: PHASES.index(wildcards.phase) + 1]),
        diagnosis=[],
    output:
        PATHS.pattern("cube"),
    log:
        PATHS.log("cube"),
    benchmark:
        PATHS.benchmark("cube")
    params:
        settings=settings_of_cube,
        architectures=Listed("architectures", STUDY.architectures),
        kernels=Listed("kernels", STUDY.kernels),
        code=stage_digest("cube"),


if STUDY.pilot:

    checkpoint pilot:
        """Choose the learning rates that each group keeps."""
        input:
            [
                PATHS.file(
                    "record", phase="pilot", architecture=a, width=w, kernel=k, part=1
                )
                for a, w, k in STUDY.groups()
            ],
        output:
            PATHS.file("cells", phase="study"),
        log:
            PATHS.log("cells").format(phase="study"),
        benchmark:
            PATHS.benchmark("cells").format(phase="study")
        conda:
            "../envs/evaluation.yaml"
        resources:
            mem_mb=memory(STUDY, "cube"),
            runtime=runtime("cube"),
            gpu=0,
        params:
            study=pilot_settings(STUDY),
            keep=STUDY.pilot.keep,
            code=stage_digest("pilot"),
        script:
            "../workflow_scripts/choose_learning_rates.py"


if STUDY.refine:

    checkpoint refine:
        """Choose the levels to add to each group. Only then is it known what else to train."""
        input:
            cube_before("refine"),
        output:
            PATHS.file("cells", phase="refine"),
        log:
            PATHS.log("cells").format(phase="refine"),
        benchmark:
            PATHS.benchmark("cells").format(phase="refine")
        conda:
            "../envs/evaluation.yaml"
        resources:
            mem_mb=memory(STUDY, "cube"),
            runtime=runtime("cube"),
            gpu=0,
        params:
            levels=STUDY.refine.levels,
            settings=BEFORE["refine"],
            kernels=list(KERNEL_CODE.values()),
            code=stage_digest("refinement"),
        script:
            "../workflow_scripts/refine_levels.py"


if STUDY.diagnose:

    checkpoint diagnose:
        """Choose the runs to add to unsolved cells."""
        input:
            cube_before("diagnose"),
        output:
            PATHS.file("cells", phase="diagnose"),
        log:
            PATHS.log("cells").format(phase="diagnose"),
        benchmark:
            PATHS.benchmark("cells").format(phase="diagnose")
        conda:
            "../envs/evaluation.yaml"
        resources:
            mem_mb=memory(STUDY, "cube"),
            runtime=runtime("cube"),
            gpu=0,
        params:
            diagnose=STUDY.diagnose.model_dump(),
            settings=BEFORE["diagnose"],
            code=stage_digest("diagnosis"),
        script:
            "../workflow_scripts/diagnose_cells.py"


rule evaluated:
    """The list of a phase's evaluations.

    The cube depends on this list, not on the checkpoint itself: for a job that waits for a
    checkpoint, Snakemake does not notice changes of params or of the set of inputs.
    """
    input:
        lambda wildcards: evaluations_of(wildcards.phase),
    output:
        PATHS.pattern("evaluated"),
    log:
        PATHS.log("evaluated"),
    conda:
        "../envs/evaluation.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
        gpu=0,
    script:
        "../workflow_scripts/list_evaluations.py"


use rule evaluated as listed_baselines with:
    # The list of a later phase's baselines.
    input:
        added_baselines,
    output:
        PATHS.pattern("listed_baselines"),
    log:
        PATHS.log("listed_baselines"),
