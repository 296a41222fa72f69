rule report_page:
    """All figures, each in four formats, and the study on one page that works offline."""
    input:
        BENCHMARK,
    output:
        report=f"{RESULTS}/report.html",
        figures=expand(
            f"{RESULTS}/figures/{{figure}}.{{kind}}",
            figure=FIGURES,
            kind=("html", "svg", "png", "json"),
        ),
    log:
        f"{RESULTS}/logs/report.log",
    benchmark:
        f"{RESULTS}/benchmarks/report.tsv"
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=cube_memory(STUDY),
        runtime=fixed(30),
        gpu=0,
    params:
        settings=SETTINGS,
        code=stage_digest(
            script_path("write_report.py"),
            modules=tuple(f"mfbench.figures.{figure}" for figure in FIGURES),
        ),
    script:
        "../workflow_scripts/write_report.py"
