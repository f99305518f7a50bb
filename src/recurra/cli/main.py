"""The list of commands, and the conversion of exceptions to exit statuses.

| status | meaning                                                                             |
|--------|-------------------------------------------------------------------------------------|
| 0      | success                                                                             |
| 1      | training cannot continue (one line), or an internal error (traceback)                |
| 2      | wrong input: one or two lines on stderr with what is wrong, where, and what to do    |
| 130    | Ctrl-C                                                                              |

Nothing here or in the commands' modules imports torch, numpy or pyarrow before a command runs.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
import warnings
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from .. import __version__
from ..errors import RecurraWarning, TrainingError, UserError
from .bench import bench
from .cite import cite
from .compare import compare
from .data import data
from .demo import demo
from .describe import describe
from .evaluate import evaluate
from .explain import explain
from .finetune import finetune
from .generate import generate
from .inspect import inspect
from .predict import predict
from .selfcheck import selfcheck
from .train import TrainCommand, train

LATER = ("export", "serve", "convert")
ENVIRONMENT = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EMFILE)


class Commands(TyperGroup):
    """Reports that a planned command is not in this version."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command of the first argument. Raises UserError for a planned command."""
        if args and args[0] in LATER:
            raise UserError(f"{args[0]} is not available in version {__version__}; `recurra --help` lists the commands")
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=Commands,
    add_completion=False,
    no_args_is_help=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Recurrent networks: train one on a file of your own, use it, stream it.",
    epilog="Start with [bold]recurra demo[/bold], or [bold]recurra train classify FILE.csv[/bold].",
    rich_markup_mode="rich",
)
app.command()(describe)
app.command(cls=TrainCommand)(train)
app.command()(finetune)
app.command()(predict)
app.command()(evaluate)
app.command()(inspect)
app.command()(compare)
app.command()(generate)
app.command()(bench)
app.command()(data)
app.command()(demo)
app.command()(selfcheck)
app.command()(explain)
app.command()(cite)


def _version(requested: bool) -> None:
    if requested:
        print(f"recurra {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _front(
    ctx: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", metavar="", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    if ctx.invoked_subcommand is None:
        ctx.command.get_help(ctx)  # prints it


def run(arguments: list[str]) -> int:
    """Run one command and return its exit status."""
    command = typer.main.get_command(app)
    try:
        with command.make_context("recurra", list(arguments)) as context:
            command.invoke(context)
        sys.stdout.flush()
    except typer.Exit as end:
        return end.exit_code
    except KeyboardInterrupt as interrupt:
        return _fail(str(interrupt) or "interrupted", 130)
    except typer.TyperException as error:  # an unknown option, a missing argument
        path = getattr(getattr(error, "ctx", None), "command_path", "recurra")
        return _fail(f"{error.format_message()}\ntry: {path} --help", 2)
    except UserError as error:
        return _fail(str(error), 2)
    except TrainingError as error:
        return _fail(str(error), 1)
    except BrokenPipeError:  # the reader of a pipe has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if line := _environment(error):
            return _fail(line, 2)
        traceback.print_exc()
        return _fail(
            f"internal error in recurra {__version__}. Please report it with the lines above and the command",
            1,
        )
    return 0


def _show_warning(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
    """A warning of recurra in one line; one of a library as Python shows it."""
    if issubclass(category, RecurraWarning):
        print(f"recurra: warning: {message}", file=sys.stderr)
    else:
        print(warnings.formatwarning(message, category, *where[:2]), end="", file=sys.stderr)


def _environment(error: Exception) -> str | None:
    """One line for an error of the machine: a full disk, missing permissions, no memory."""
    if isinstance(error, OSError) and error.errno in ENVIRONMENT:
        return f"{error.filename or 'the system'}: {error.strerror}"
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return "out of memory: use a smaller --set batch_size=N or hidden_size=N"
    return None


def _fail(message: str, status: int) -> int:
    print(f"recurra: {message}", file=sys.stderr)
    return status


def main() -> None:
    """The entry point of the `recurra` command."""
    warnings.showwarning = _show_warning
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal with another encoding must not fail at a character
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))
