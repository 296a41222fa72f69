rule train:
    """All members (steps x learning rate x seed) of some levels of a group, in one process."""
    input:
        datasets=each_level("dataset", levels_of_part),
    output:
        record=PATHS.pattern("record"),
        weights=PATHS.pattern("weights"),
    log:
        PATHS.log("record"),
    benchmark:
        PATHS.benchmark("record")
    conda:
        "../envs/training.yaml"
    resources:
        mem_mb=memory(STUDY, "training"),
        runtime=runtime("training"),
        gpu=gpus_for(STUDY.training.device),
        gpu_slots=gpu_slots(STUDY.training),
    params:
        settings=lambda wildcards: TRAINING_SETTINGS[model_of(wildcards)],
        levels=lambda wildcards: Listed(
            f"levels of {wildcards.kernel}", levels_of_part(wildcards)
        ),
        runs=lambda wildcards: runs_of_part(wildcards),
        steps=Listed("training.steps", STUDY.training.steps),
        learning_rates=Listed("training.learning_rates", STUDY.training.learning_rates),
        seeds=Listed("training.seeds", STUDY.training.seeds),
        model=lambda wildcards: MODEL_CODE[wildcards.architecture],
        code=stage_digest("training"),
        results=lambda wildcards: PATHS.results,
    script:
        "../workflow_scripts/train.py"


if STUDY.training.device == "cpu":
    # A profile overrides the resources of the rule; here the study overrides the profile.
    workflow.get_rule("train").resources["gpu"] = 0
    workflow.get_rule("train").resources["gpu_model"] = None
