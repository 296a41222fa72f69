import functools

from mfbench.workflow.packs import PACK, packs_in, plan_packs
from mfbench.workflow.packs import levels_of as levels_of_pack

GROUP = "{architecture}/width={width}/{kernel}"
TRAINED = f"{RESULTS}/training/{GROUP}/rho={{pack}}"


def keep_going(wildcards):
    """Whether cells may fail, "yes" or "no": what --keep-going says once a run has started."""
    if getattr(workflow.execution_settings, "keep_going", False):
        # A nested Snakemake, as on a cluster, is not told of --keep-going.
        os.environ["MFBENCH_KEEP_GOING"] = "1"
    return "yes" if os.environ.get("MFBENCH_KEEP_GOING") == "1" else "no"


def of_pack(pattern):
    """The files of a pattern for the levels of a pack."""
    return lambda wildcards: expand(
        pattern, kernel=wildcards.kernel, rho=levels_of_pack(wildcards.pack)
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
            size=STUDY.training.cells_per_job,
            existing=packs_on_disk(**group),
        )
        return expand(pattern, **group, pack=plan)

    return files


rule train:
    """All members (learning rate x seed) of the levels of a pack, in one process."""
    input:
        datasets=of_pack(DATASET),
    output:
        record=f"{TRAINED}.nc",
        weights=f"{TRAINED}.safetensors",
    log:
        f"{RESULTS}/logs/training/{GROUP}/rho={{pack}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/training/{GROUP}/rho={{pack}}.tsv"
    wildcard_constraints:
        pack=PACK,
    conda:
        "../envs/training.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 240
        * attempt
        * len(levels_of_pack(wildcards.pack)),
        gpu=gpus_for(STUDY.training.device),
        # How a job runs stands here and not in params, so that changing it reruns nothing.
        device=STUDY.training.device,
        checkpoint_minutes=str(STUDY.training.checkpoints.minutes),
        keep_going=keep_going,
    params:
        settings=lambda wildcards: TRAINING_SETTINGS[
            wildcards.architecture, wildcards.width
        ],
        code=lambda wildcards: stage_digest(script_path("train_pack.py"))
        + ARCHITECTURE_CODE[wildcards.architecture],
        checkpoints=f"{RESULTS}/checkpoints/{GROUP}",
        state=f"{RESULTS}/jobs/{GROUP}/rho={{pack}}.json",
    script:
        "../workflow_scripts/train_pack.py"
