"""The application ``mfbench``: its commands, and how they end.

A command is a file with a function ``run``, whose docstring is its help, with ``EXAMPLES`` and,
where it takes names of models or kernels, ``NAMES``. It imports what is heavy inside of `run`, so
that ``mfbench --help`` is quick, and prints with `mfbench.commands.output`. It ends by raising:

- `ValueError` and `OSError`: it cannot be done; exit status 1;
- `StudyError` and ``typer.BadParameter``: the input is wrong; exit status 2.

Both print one line, ``mfbench COMMAND: message``. Other exceptions are bugs and
keep their traceback.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from mfbench.commands import (
    check,
    clean,
    compare,
    cube,
    estimate,
    floors,
    merge,
    new,
    run,
    status,
    try_,
    why,
)
from mfbench.commands.output import own_output

# In the order of the help.
_COMMANDS: dict[str, ModuleType] = {
    "new": new,
    "check": check,
    "try": try_,
    "estimate": estimate,
    "run": run,
    "status": status,
    "why": why,
    "cube": cube,
    "merge": merge,
    "compare": compare,
    "floors": floors,
    "clean": clean,
}

app = typer.Typer(
    name="mfbench",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="mfbench COMMAND --help shows examples.",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"mfbench {version('mfbench')}")
        raise typer.Exit


@app.callback()
def _mfbench(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """What can a sequence model remember?"""


def _in_one_line(name: str, run: Callable[..., None]) -> Callable[..., None]:
    """A command that reports what is wrong with its input or its files in one line."""

    @functools.wraps(run)
    def reporting(*args: object, **options: object) -> None:
        try:
            with own_output():
                run(*args, **options)
        except KeyboardInterrupt:
            typer.echo(f"mfbench {name}: stopped", err=True)
            raise typer.Exit(130) from None
        except BrokenPipeError:  # the output ends early, as in `mfbench status | head`
            raise
        except (ValueError, OSError) as error:
            from mfbench.study.document import StudyError

            message = str(error)
            if isinstance(error, OSError) and error.filename and error.strerror:
                message = f"{error.filename}: {error.strerror}"
            typer.echo(f"mfbench {name}: {message}", err=True)
            raise typer.Exit(2 if isinstance(error, StudyError) else 1) from None

    return reporting


class _Command(TyperCommand):
    """A command whose help ends with the names that it takes, and with examples."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        for names in getattr(_COMMANDS[self.name or ""], "NAMES", ()):
            formatter.write_paragraph()
            formatter.write_text(names())
        super().format_epilog(ctx, formatter)


for _name, _module in _COMMANDS.items():
    _examples = "\n".join(["\b", "Examples:", *(f"  {line}" for line in _module.EXAMPLES)])
    app.command(_name, cls=_Command, epilog=_examples)(_in_one_line(_name, _module.run))


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        # Without the standalone mode, wrong arguments are raised, to be reported in one line.
        return int(app(given or ["--help"], prog_name="mfbench", standalone_mode=False) or 0)
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "mfbench"
        message = error.format_message().removeprefix("Invalid value: ")
        message = message.replace("Value error, ", "").rstrip(".")
        typer.echo(f"{command}: {message} (see {command} --help)", err=True)
        return error.exit_code
    except typer.Abort:
        return 1
