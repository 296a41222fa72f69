"""mfbench: config.yaml in; datasets, trained models, cubes, figures and a report out."""

from snakemake.utils import min_version

min_version("9.0")


# Shares of this machine's GPUs: they limit what trains here, and nothing that goes to a cluster.
resource_scopes:
    gpu_slots="local",


include: "rules/common.smk"
include: "rules/datasets.smk"
include: "rules/floors.smk"
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
    from mfbench.workflow.failed_cells import count_failed

    if failed := count_failed(PATHS.file("benchmark")):
        print(
            f"{failed} cells of this study failed, as their architecture's own code broke: "
            "`mfbench status --failed` says at what.",
            file=sys.stderr,
        )


rule all:
    """The finished study: its report, and with it all that the report rests on."""
    default_target: True
    input:
        PATHS.file("benchmark"),  # a cube that is gone is made again even under a finished report
        PATHS.file("report"),
