BENCHMARK = f"{RESULTS}/cubes/benchmark.nc"
ARCHITECTURE_CUBE = f"{RESULTS}/cubes/architectures/{{architecture}}.nc"
ARCHITECTURE_CUBES = expand(ARCHITECTURE_CUBE, architecture=STUDY.architectures)
# Evaluations of the second pass, in folders of their own: the first pass stays as it is.
ADDED_CUBE = f"{RESULTS}/cubes/added/{{architecture}}.nc"


rule architecture_cube:
    """All evaluations of one architecture, whatever the others are."""
    input:
        evaluations_of(EVALUATION),
    output:
        ARCHITECTURE_CUBE,
    log:
        f"{RESULTS}/logs/cubes/architectures/{{architecture}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/cubes/architectures/{{architecture}}.tsv"
    wildcard_constraints:
        architecture=any_of(STUDY.architectures),
    conda:
        "../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=assembly_memory(STUDY),
        runtime=fixed(30),
        gpu=0,
    params:
        settings=group_levels(levels_in_study),
        code=stage_digest(script_path("assemble_architecture.py")),
    script:
        "../workflow_scripts/assemble_architecture.py"


rule benchmark_cube:
    """All architectures in one cube."""
    input:
        architectures=ARCHITECTURE_CUBES,
        added=ADDED if STUDY.refine else [],
    output:
        BENCHMARK,
    log:
        f"{RESULTS}/logs/cubes/benchmark.log",
    benchmark:
        f"{RESULTS}/benchmarks/cubes/benchmark.tsv"
    conda:
        "../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=assembly_memory(STUDY),
        runtime=fixed(30),
        gpu=0,
    params:
        architectures=list(STUDY.architectures),
        kernels=list(STUDY.kernels),
        settings=SETTINGS,
        code=stage_digest(script_path("assemble_benchmark.py")),
    script:
        "../workflow_scripts/assemble_benchmark.py"


use rule benchmark_cube as partial_cube with:
    # What an unfinished study has so far; the rest is absent. The evaluations are no inputs, or
    # Snakemake would first make them whole. Only this target looks for them.
    input:
        architectures=[],
    output:
        f"{RESULTS}/cubes/partial.nc",
    log:
        f"{RESULTS}/logs/cubes/partial.log",
    benchmark:
        f"{RESULTS}/benchmarks/cubes/partial.tsv"
    params:
        files=lambda wildcards: evaluated(EVALUATION),
        added=lambda wildcards: evaluated(ADDED_EVALUATION) if STUDY.refine else [],
        newest=lambda wildcards: newest(
            evaluated(EVALUATION) + evaluated(ADDED_EVALUATION) * bool(STUDY.refine)
        ),
        architectures=list(STUDY.architectures),
        kernels=list(STUDY.kernels),
        settings=SETTINGS,
        code=stage_digest(script_path("assemble_benchmark.py")),


localrules:
    kernel_evaluations,
    shared,


rule kernel_evaluations:
    """All evaluations of one kernel: a part of a study that can be run by itself."""
    input:
        lambda wildcards: [
            EVALUATION.format(architecture=architecture, width=width, kernel=kernel)
            for architecture, width, kernel in GROUPS
            if kernel == wildcards.kernel
        ],
    output:
        f"{RESULTS}/kernels/{{kernel}}.txt",
    log:
        f"{RESULTS}/logs/kernels/{{kernel}}.log",
    wildcard_constraints:
        kernel=any_of(STUDY.kernels),
    conda:
        "../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=fixed(500),
        runtime=fixed(5),
        gpu=0,
    params:
        number=lambda wildcards, input: len(input),
    shell:
        "echo {params.number} evaluations of {wildcards.kernel} > {output:q} 2> {log:q}"


rule shared:
    """What all parts of a study share, to be made before they run beside each other."""
    input:
        [
            pattern.format(kernel=kernel, rho=rho)
            for pattern in (DATASET, FLOORS)
            for kernel, levels in LEVELS.items()
            for rho in levels
        ],
