rule report_page:
    """All figures, each in four formats, and the study on one page that works offline.

    Changes to its code do not trigger a rerun; `snakemake -R report_page` redraws it.
    """
    input:
        PATHS.file("benchmark"),
    output:
        report=PATHS.file("report"),
        figures=[
            PATHS.file("figure", figure=figure, kind=kind)
            for figure in FIGURES
            for kind in ("html", "svg", "png", "json")
        ],
    log:
        PATHS.log("report"),
    benchmark:
        PATHS.benchmark("report")
    conda:
        "../envs/figures.yaml"
    resources:
        mem_mb=memory(STUDY, "cube"),
        runtime=runtime("cube"),
        gpu=0,
    params:
        settings=SETTINGS,
    script:
        "../workflow_scripts/write_report.py"
