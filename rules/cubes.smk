BENCHMARK = f"{RESULTS}/cubes/benchmark.nc"
SO_FAR = evaluations(EVALUATION, only_existing=True)
SO_FAR_ADDED = evaluations(ADDED_EVALUATION, only_existing=True) if STUDY.refine else []


rule benchmark_cube:
    """All evaluations in one cube."""
    input:
        evaluations(EVALUATION),
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
        mem_mb=cube_memory(STUDY),
        runtime=fixed(30),
        gpu=0,
    params:
        files=evaluations(EVALUATION),
        added=[],
        architectures=list(STUDY.architectures),
        kernels=list(STUDY.kernels),
        settings=study_settings(STUDY),
        code=stage_digest(script_path("assemble_benchmark.py")),
    script:
        "../workflow_scripts/assemble_benchmark.py"


use rule benchmark_cube as partial_cube with:
    # What an unfinished study has so far; the rest is absent. The evaluations are no inputs, or
    # Snakemake would first make them whole.
    input:
        [],
    output:
        f"{RESULTS}/cubes/partial.nc",
    log:
        f"{RESULTS}/logs/cubes/partial.log",
    benchmark:
        f"{RESULTS}/benchmarks/cubes/partial.tsv"
    params:
        files=SO_FAR,
        added=SO_FAR_ADDED,
        newest=newest(SO_FAR + SO_FAR_ADDED),
        architectures=list(STUDY.architectures),
        kernels=list(STUDY.kernels),
        settings=study_settings(STUDY),
        code=stage_digest(script_path("assemble_benchmark.py")),
