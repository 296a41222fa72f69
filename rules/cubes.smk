rule benchmark_cube:
    """All evaluations of the study in one cube."""
    input:
        evaluations=evaluations,
        added=evaluated("study", "refine"),
        diagnosis=evaluated("diagnose"),
        baselines=baselines_of(
            (name, level.rho) for name in STUDY.kernels for level in STUDY.levels(name)
        ),
        added_baselines=(
            [PATHS.file("listed_baselines", phase="refine")] if STUDY.refine else []
        ),
    output:
        PATHS.file("benchmark"),
    log:
        PATHS.log("benchmark"),
    benchmark:
        PATHS.benchmark("benchmark")
    conda:
        "../envs/evaluation.yaml"
    resources:
        mem_mb=memory(STUDY, "cube"),
        runtime=runtime("cube"),
        gpu=0,
    params:
        settings=SETTINGS,
        architectures=Listed("architectures", STUDY.architectures),
        kernels=Listed("kernels", STUDY.kernels),
        code=stage_digest("cube"),
    script:
        "../workflow_scripts/assemble_benchmark.py"
