localrules:
    scoreboard,


rule judge_predictions:
    """What the study says about the published predictions."""
    input:
        PATHS.file("benchmark"),
    output:
        csv=PATHS.file("scoreboard", kind="csv"),
        md=PATHS.file("scoreboard", kind="md"),
        txt=PATHS.file("scoreboard", kind="txt"),
    log:
        PATHS.log("scoreboard").format(kind="txt"),
    benchmark:
        PATHS.benchmark("scoreboard").format(kind="txt")
    conda:
        "../envs/evaluation.yaml"
    resources:
        mem_mb=memory(STUDY, "cube"),
        runtime=runtime("cube"),
        gpu=0,
    params:
        settings=SETTINGS,
        code=stage_digest(
            "scoreboard",
            modules=tuple(f"predictions.{name}" for name in predictions()),
        ),
    script:
        "../workflow_scripts/judge_predictions.py"


rule scoreboard:
    """Print the scoreboard. It has no output, so that asking for it always prints."""
    input:
        rules.judge_predictions.output.txt,
    log:
        f"{PATHS.results}/logs/scoreboard_printed.log",
    run:
        shell("tee {log:q} < {input:q}")
