BENCHMARK = RESULTS + "/cubes/benchmark.nc"


def evaluations(only_existing=False):
    """The evaluation files of the study."""
    files = [
        EVALUATION.format(architecture=architecture, width=width, kernel=kernel)
        for architecture, width, kernel in GROUPS
    ]
    return [file for file in files if os.path.exists(file) or not only_existing]


rule benchmark_cube:
    """All evaluations in one cube."""
    input:
        evaluations(),
    output:
        BENCHMARK,
    params:
        architectures=list(STUDY.architectures),
        kernels=list(STUDY.kernels),
        settings=study_settings(STUDY),
        code=stage_digest(script_path("assemble_benchmark.py")),
    log:
        RESULTS + "/logs/cubes/benchmark.log",
    benchmark:
        RESULTS + "/benchmarks/cubes/benchmark.tsv"
    conda:
        "../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=30,
        gpu=0,
    script:
        "../workflow_scripts/assemble_benchmark.py"


rule partial_cube:
    """A cube of what an unfinished study has so far; the rest is absent."""
    input:
        lambda wildcards: evaluations(only_existing=True),
    output:
        RESULTS + "/cubes/partial.nc",
    params:
        architectures=list(STUDY.architectures),
        kernels=list(STUDY.kernels),
        settings=study_settings(STUDY),
        code=stage_digest(script_path("assemble_benchmark.py")),
    log:
        RESULTS + "/logs/cubes/partial.log",
    benchmark:
        RESULTS + "/benchmarks/cubes/partial.tsv"
    conda:
        "../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=30,
        gpu=0,
    script:
        "../workflow_scripts/assemble_benchmark.py"
