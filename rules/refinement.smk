"""The second pass, where the study asks for it: levels around each failure boundary."""


use rule benchmark_cube as coarse_cube with:
    # The first pass alone.
    input:
        architectures=ARCHITECTURE_CUBES,
    output:
        f"{RESULTS}/cubes/coarse.nc",
    log:
        f"{RESULTS}/logs/cubes/coarse.log",
    benchmark:
        f"{RESULTS}/benchmarks/cubes/coarse.tsv"
    params:
        architectures=list(STUDY.architectures),
        kernels=list(STUDY.kernels),
        settings=SETTINGS | {"refine": None},
        code=stage_digest(script_path("assemble_benchmark.py")),


checkpoint refine:
    """Which levels to add to which group; only then is it known what else to train."""
    input:
        rules.coarse_cube.output,
    output:
        f"{RESULTS}/refined_levels.json",
    log:
        f"{RESULTS}/logs/refine.log",
    benchmark:
        f"{RESULTS}/benchmarks/refine.tsv"
    conda:
        "../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=cube_memory(STUDY),
        runtime=fixed(30),
        gpu=0,
    params:
        levels=STUDY.refine.levels,
        settings=SETTINGS | {"refine": None},
        code=stage_digest(
            script_path("refine_levels.py"),
            modules=tuple(f"mfbench.tasks.kernels.{kernel}" for kernel in STUDY.kernels),
        ),
    script:
        "../workflow_scripts/refine_levels.py"


use rule evaluate as evaluate_added with:
    input:
        datasets=added_levels_of(DATASET),
        floors=added_levels_of(FLOORS),
        records=packs_of(rules.train.output.record, levels_added),
        weights=packs_of(rules.train.output.weights, levels_added),
    output:
        ADDED_EVALUATION,
    log:
        f"{RESULTS}/logs/evaluation/{{architecture}}/width={{width}}/{{kernel}}.refined.log",
    benchmark:
        f"{RESULTS}/benchmarks/evaluation/{{architecture}}/width={{width}}/{{kernel}}.refined.tsv"


use rule architecture_cube as added_cube with:
    input:
        added_evaluations_of(ADDED_EVALUATION),
    output:
        ADDED_CUBE,
    log:
        f"{RESULTS}/logs/cubes/added/{{architecture}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/cubes/added/{{architecture}}.tsv"
    params:
        settings=group_levels(levels_refined),
        code=stage_digest(script_path("assemble_architecture.py")),


rule added:
    """The list of what the second pass has evaluated.

    It stands between the checkpoint and the cube because Snakemake looks at neither params nor the
    set of inputs of a job that waits for a checkpoint itself.
    """
    input:
        added_architectures(ADDED_CUBE),
    output:
        ADDED,
    log:
        f"{RESULTS}/logs/added.log",
    benchmark:
        f"{RESULTS}/benchmarks/added.tsv"
    conda:
        "../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=fixed(700),
        runtime=fixed(10),
        gpu=0,
    params:
        code=stage_digest(script_path("list_added.py")),
    script:
        "../workflow_scripts/list_added.py"
