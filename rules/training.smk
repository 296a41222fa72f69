TRAINED = f"{RESULTS}/training/{GROUP}/rho={{pack}}"


rule train:
    """All members (learning rate x seed) of the levels of a pack, in one process."""
    input:
        datasets=of_pack(DATASET),
    output:
        record=f"{TRAINED}.nc",
        weights=f"{TRAINED}.safetensors",
    log:
        f"{RESULTS}/logs/training/{GROUP}/rho={{pack}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/training/{GROUP}/rho={{pack}}.tsv"
    wildcard_constraints:
        pack=PACK,
    conda:
        "../envs/training.yaml"
    threads: 1
    resources:
        mem_mb=training_memory(STUDY),
        runtime=training_runtime(STUDY),
        gpu=gpus_for(STUDY.training.device),
        gpu_slots=gpu_slots(STUDY.training),
        # How a job runs stands here and not in params, so that changing it reruns nothing.
        device=STUDY.training.device,
        checkpoint_minutes=str(STUDY.training.checkpoints.minutes),
        ensemble_size=STUDY.training.ensemble_size,
        jobs_per_gpu=STUDY.training.jobs_per_gpu,
        keep_going=keep_going,
    params:
        settings=lambda wildcards: TRAINING_SETTINGS[
            wildcards.architecture, wildcards.width
        ],
        code=lambda wildcards: stage_digest(script_path("train_pack.py"))
        + ARCHITECTURE_CODE[wildcards.architecture],
        checkpoints=f"{RESULTS}/checkpoints/{GROUP}",
        state=f"{RESULTS}/jobs/{GROUP}/rho={{pack}}.json",
    script:
        "../workflow_scripts/train_pack.py"


if STUDY.training.device == "cpu":
    # What a profile sets comes after the rule's own resources; the study has the last word.
    workflow.get_rule("train").resources["gpu"] = 0
    workflow.get_rule("train").resources["gpu_model"] = None
