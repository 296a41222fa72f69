EVALUATION = f"{RESULTS}/evaluation/{{architecture}}/width={{width}}/{{kernel}}.nc"
# Levels of a second pass have files of their own, so that the first pass stays as it is.
ADDED_EVALUATION = (
    f"{RESULTS}/evaluation/{{architecture}}/width={{width}}/{{kernel}}.refined.nc"
)
ADDED = f"{RESULTS}/added_evaluations.json"  # and a list of them


rule evaluate:
    """All levels of one (architecture, width, kernel), so that torch starts once for them."""
    input:
        datasets=all_levels(DATASET),
        floors=all_levels(FLOORS),
        records=packs_of(rules.train.output.record, study_levels),
        weights=packs_of(rules.train.output.weights, study_levels),
    output:
        EVALUATION,
    log:
        f"{RESULTS}/logs/evaluation/{{architecture}}/width={{width}}/{{kernel}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/evaluation/{{architecture}}/width={{width}}/{{kernel}}.tsv"
    conda:
        "../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=evaluation_memory(STUDY),
        runtime=evaluation_runtime(STUDY),
        gpu=0,
        gpu_slots=gpu_slots(STUDY.training),
        # A GPU where there is one: a cluster gives this rule none, whatever the training asks for.
        device="cpu" if STUDY.training.device == "cpu" else "auto",
        jobs_per_gpu=STUDY.training.jobs_per_gpu,
        keep_going=keep_going,
    params:
        settings=lambda wildcards: EVALUATION_SETTINGS[
            wildcards.architecture, wildcards.width
        ],
        code=lambda wildcards: stage_digest(script_path("evaluate_group.py"))
        + ARCHITECTURE_CODE[wildcards.architecture],
    script:
        "../workflow_scripts/evaluate_group.py"
