FLOORS = f"{RESULTS}/floors/{{kernel}}/rho={{rho}}.nc"


rule floors:
    """The least errors that models of given sizes can have on one task."""
    output:
        FLOORS,
    log:
        f"{RESULTS}/logs/floors/{{kernel}}/rho={{rho}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/floors/{{kernel}}/rho={{rho}}.tsv"
    conda:
        "../envs/datasets.yaml"
    threads: 1
    resources:
        mem_mb=floor_memory(STUDY),
        runtime=floor_runtime(STUDY),
        gpu=0,
    params:
        settings=floor_settings(STUDY),
        code=lambda wildcards: stage_digest(
            script_path("compute_floors.py"),
            modules=(f"mfbench.tasks.kernels.{wildcards.kernel}",),
        ),
    script:
        "../workflow_scripts/compute_floors.py"
