CELL = "{architecture}/width={width}/{kernel}/rho={rho}"


rule train:
    """All members (learning rate x seed) of one cell, one after the other in one process."""
    input:
        dataset=DATASET,
    output:
        record=f"{RESULTS}/training/{CELL}.nc",
        weights=f"{RESULTS}/training/{CELL}.safetensors",
    log:
        f"{RESULTS}/logs/training/{CELL}.log",
    benchmark:
        f"{RESULTS}/benchmarks/training/{CELL}.tsv"
    conda:
        "../envs/training.yaml"
    threads: 1
    resources:
        mem_mb=training_memory(STUDY),
        runtime=training_runtime(STUDY),
        gpu=gpus_for(STUDY.training.device),
        # How a job runs stands here and not in params, so that changing it reruns nothing.
        device=STUDY.training.device,
        checkpoint_minutes=str(STUDY.training.checkpoints.minutes),
    params:
        settings=lambda wildcards: TRAINING_SETTINGS[
            wildcards.architecture, wildcards.width
        ],
        code=lambda wildcards: stage_digest(script_path("train_cell.py"))
        + ARCHITECTURE_CODE[wildcards.architecture],
        checkpoints=f"{RESULTS}/checkpoints/{CELL}",
    script:
        "../workflow_scripts/train_cell.py"


if STUDY.training.device == "cpu":
    # What a profile sets comes after the rule's own resources; the study has the last word.
    workflow.get_rule("train").resources["gpu"] = 0
    workflow.get_rule("train").resources["gpu_model"] = None
