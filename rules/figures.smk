FIGURES = (
    "error_by_memory_length",
    "failure_boundaries",
    "error_map",
    "distance_to_optimum",
    "error_parts",
    "memory_functions",
    "training_curves",
    "lags_over_training",
    "weight_perturbation",
    "length_generalisation",
)


rule figure:
    """One figure as a page, a vector and a pixel graphic, and as its Vega-Lite specification."""
    input:
        BENCHMARK,
    output:
        html=f"{RESULTS}/figures/{{figure}}.html",
        svg=f"{RESULTS}/figures/{{figure}}.svg",
        png=f"{RESULTS}/figures/{{figure}}.png",
        json=f"{RESULTS}/figures/{{figure}}.json",
    log:
        f"{RESULTS}/logs/figures/{{figure}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/{{figure}}.tsv"
    wildcard_constraints:
        figure="|".join(FIGURES),
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=cube_memory(STUDY),
        runtime=fixed(30),
        gpu=0,
    params:
        settings=SETTINGS,
        code=lambda wildcards: stage_digest(
            script_path("draw_figure.py"),
            modules=(f"mfbench.figures.{wildcards.figure}",),
        ),
    script:
        "../workflow_scripts/draw_figure.py"
