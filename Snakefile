"""mfbench: config.yaml in; datasets, trained models, cubes, figures and a report out."""

from snakemake.utils import min_version

min_version("9.10")


# Shares of this machine's GPUs. They limit jobs on this machine, not those sent to a cluster.
resource_scopes:
    gpu_slots="local",


include: "rules/common.smk"
include: "rules/datasets.smk"
include: "rules/floors.smk"
include: "rules/baselines.smk"
include: "rules/training.smk"
include: "rules/evaluation.smk"
include: "rules/cubes.smk"
include: "rules/report.smk"
include: "rules/scoreboard.smk"


if PHASES[1:]:

    include: "rules/phases.smk"


onstart:
    try:
        claim(STUDY.results, STUDY_FILE)
    except ValueError as error:
        raise WorkflowError(str(error)) from None


onsuccess:
    from mfbench.workflow.progress import failed_cells

    if failed := len(failed_cells(PATHS.file("benchmark"))):
        print(
            f"Cells that failed because their architecture's own code broke: {failed}. "
            f"`mfbench status {STUDY_FILES[0]} --failed` shows the errors.",
            file=sys.stderr,
        )


rule all:
    """The finished study: its report and everything that the report needs."""
    default_target: True
    input:
        PATHS.file("benchmark"),  # remakes a deleted cube even if the report is finished
        PATHS.file("report"),
