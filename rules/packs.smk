"""Which levels a training job trains, and whether cells may fail."""

import functools

from mfbench.workflow.packs import PACK, levels_of, packs_in, plan_packs
from mfbench.workflow.resources import levels_per_job

GROUP = "{architecture}/width={width}/{kernel}"
LEVELS_PER_JOB = levels_per_job(STUDY)


def keep_going(wildcards):
    """Whether cells may fail, "yes" or "no": what --keep-going says once a run has started."""
    if getattr(workflow.execution_settings, "keep_going", False):
        # A nested Snakemake, as on a cluster, is not told of --keep-going.
        os.environ.update(MFBENCH_KEEP_GOING="1")
    return "yes" if os.environ.get("MFBENCH_KEEP_GOING") == "1" else "no"


def of_pack(pattern):
    """The files of a pattern for the levels of a pack."""
    return lambda wildcards: expand(
        pattern, kernel=wildcards.kernel, rho=levels_of(wildcards.pack)
    )


@functools.cache
def packs_on_disk(architecture, width, kernel):
    """The packs of a group that were finished when Snakemake started: one look at its folder."""
    group = GROUP.format(architecture=architecture, width=width, kernel=kernel)
    return packs_in(f"{RESULTS}/training/{group}")


def packs_of(pattern, levels):
    """The files of a pattern for the packs that hold the levels of a group."""

    def files(wildcards):
        group = {name: wildcards[name] for name in ("architecture", "width", "kernel")}
        plan = plan_packs(
            levels(wildcards),
            size=LEVELS_PER_JOB(wildcards),
            existing=packs_on_disk(**group),
        )
        return expand(pattern, **group, pack=plan)

    return files


def study_levels(wildcards):
    """The rho of a group's levels in the study."""
    return LEVELS.get(wildcards.kernel, [])
