SCOREBOARD = f"{RESULTS}/scoreboard"


localrules:
    scoreboard,


rule judge_predictions:
    """What the study says about the published predictions."""
    input:
        BENCHMARK,
    output:
        csv=f"{SCOREBOARD}.csv",
        md=f"{SCOREBOARD}.md",
        txt=f"{SCOREBOARD}.txt",
    log:
        f"{RESULTS}/logs/scoreboard.log",
    benchmark:
        f"{RESULTS}/benchmarks/scoreboard.tsv"
    conda:
        "../envs/evaluation.yaml"
    threads: 1
    resources:
        mem_mb=cube_memory(STUDY),
        runtime=fixed(30),
        gpu=0,
    params:
        settings=SETTINGS,
        code=stage_digest(
            script_path("judge_predictions.py"),
            modules=tuple(f"mfbench.predictions.{name}" for name in predictions()),
        ),
    script:
        "../workflow_scripts/judge_predictions.py"


rule scoreboard:
    """Print the scoreboard. It has no output, so that asking for it always prints."""
    input:
        rules.judge_predictions.output.txt,
    log:
        f"{RESULTS}/logs/scoreboard_printed.log",
    run:
        shell("tee {log:q} < {input:q}")
