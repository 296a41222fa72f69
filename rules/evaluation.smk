rule evaluate:
    """All levels of one (architecture, width, kernel), so that torch starts once for them."""
    input:
        datasets=each_level("dataset", levels_of_group),
        floors=each_level("floors", levels_of_group),
        records=each_part("record"),
        weights=each_part("weights"),
    output:
        PATHS.pattern("evaluation"),
    log:
        PATHS.log("evaluation"),
    benchmark:
        PATHS.benchmark("evaluation")
    conda:
        "../envs/evaluation.yaml"
    resources:
        mem_mb=memory(STUDY, "evaluation"),
        runtime=runtime("evaluation"),
        # A cluster gives this job a GPU only if the study asks for `cuda`, whose models may run
        # nowhere else; on a single machine, evaluations use any GPU.
        gpu=int(STUDY.training.device == "cuda"),
        gpu_slots=gpu_slots(STUDY.training),
    params:
        settings=lambda wildcards: EVALUATION_SETTINGS[model_of(wildcards)],
        model=lambda wildcards: MODEL_CODE[wildcards.architecture],
        code=stage_digest("evaluation"),
    script:
        "../workflow_scripts/evaluate.py"
