"""``mfbench cube``: the cube of an unfinished study."""

from __future__ import annotations

from mfbench.commands.arguments import Output, StudyFile
from mfbench.commands.output import say
from mfbench.words import counted

EXAMPLES = ("mfbench cube my-study.yaml -o partial.nc",)


def run(output: Output, study: StudyFile = "config.yaml") -> None:
    """Write the cube of an unfinished study.

    It holds what has been evaluated so far; what is missing has the status 'absent'. Run it in the
    folder where the study runs; the study may still be running.
    """
    from mfbench.study.study import read_study

    found = read_study(study)
    from mfbench.api.cubes import contents, open_cube
    from mfbench.workflow.partial_cube import write_partial_cube

    write_partial_cube(output, found)
    cube = open_cube(output)
    evaluated = int((cube.status != "absent").any(["budget", "learning_rate", "seed"]).sum())
    say(f"wrote {output}: {contents(cube)}, {counted(evaluated, 'cell')} evaluated")
