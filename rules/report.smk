rule report_page:
    """The study on one page that works offline."""
    input:
        cube=BENCHMARK,
        figures=expand(rules.figure.output.json, figure=FIGURES),
    output:
        f"{RESULTS}/report.html",
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
        code=stage_digest(script_path("write_report.py")),
    script:
        "../workflow_scripts/write_report.py"
