FIGURES = (
    "error_by_memory_length",
    "error_map",
    "memory_functions",
    "training_curves",
)


rule figure:
    """One figure as a page, a vector and a pixel graphic, and as its Vega-Lite specification."""
    input:
        BENCHMARK,
    output:
        html=RESULTS + "/figures/{figure}.html",
        svg=RESULTS + "/figures/{figure}.svg",
        png=RESULTS + "/figures/{figure}.png",
        json=RESULTS + "/figures/{figure}.json",
    params:
        code=lambda wildcards: stage_digest(
            script_path("draw_figure.py"), modules=(f"mfbench.figures.{wildcards.figure}",)
        ),
    wildcard_constraints:
        figure="|".join(FIGURES),
    log:
        RESULTS + "/logs/figures/{figure}.log",
    benchmark:
        RESULTS + "/benchmarks/figures/{figure}.tsv"
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=30,
        gpu=0,
    script:
        "../workflow_scripts/draw_figure.py"
