DATASET = f"{RESULTS}/datasets/{{kernel}}/rho={{rho}}.nc"


rule dataset:
    """Input, target and memory function of one task."""
    output:
        DATASET,
    log:
        f"{RESULTS}/logs/datasets/{{kernel}}/rho={{rho}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/datasets/{{kernel}}/rho={{rho}}.tsv"
    conda:
        "../envs/datasets.yaml"
    threads: 1
    resources:
        mem_mb=dataset_memory(STUDY),
        runtime=fixed(30),
        gpu=0,
    params:
        settings=dataset_settings(STUDY),
        code=lambda wildcards: stage_digest(
            script_path("generate_dataset.py"),
            modules=(f"mfbench.tasks.kernels.{wildcards.kernel}",),
        ),
    script:
        "../workflow_scripts/generate_dataset.py"
