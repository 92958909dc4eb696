"""The ``formwright`` command: parses, calls, and turns named errors into one clear line."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any, Final

from cyclopts import App, CycloptsError, Parameter
from rich.console import Console

from formwright import __version__
from formwright.commands import (
    corpus,
    design,
    importing,
    learn,
    mesh,
    models,
    predict,
    pretraining,
    screen,
    sections,
    validate,
)
from formwright.datasets.errors import (
    FlowWarning,
    FormwrightError,
    IntegrityWarning,
    SectionWarning,
    StudyWarning,
)

USAGE: Final = 2
INTERRUPTED: Final = 130
CLOSED: Final = 141
HELP: Final = """Learn from simulations, predict from few labels, design by gradient, verify.

```text
formwright demo
formwright demo catalyst
formwright predict airfoil-polar --cases cases.csv --out out.csv
formwright optimize study.toml
```

`formwright COMMAND --help` shows examples of each command.
"""

app = App(
    name="formwright",
    help=HELP,
    version=f"formwright {__version__}",
    help_format="markdown",
    result_action="return_value",
    default_parameter=Parameter(negative=()),
    suppress_keyboard_interrupt=False,
)
COMMANDS: Final = {
    "demo": design.demo,
    "predict": predict.predict,
    "models": models.models,
    "screen": screen.screen,
    "optimize": design.optimize,
    "report": design.report,
    "sections": sections.app,
    "corpus": corpus.app,
    "mesh": mesh.mesh,
    "validate": validate.app,
    "import": importing.import_,
    "pretrain": learn.pretrain,
    "fit": learn.fit,
    "evaluate": learn.evaluate,
    "evaluate-pretraining": pretraining.evaluate_pretraining,
}
for _name, _command in COMMANDS.items():
    app.command(_command, name=_name)
app.register_install_completion_command(
    help="Install completion of commands and options for the shell in use (bash, zsh, fish)."
)


@app.meta.default
def launch(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    debug: Annotated[bool, Parameter(show=True)] = False,
) -> int:
    """Run a command.

    Args:
        tokens: The command and its arguments.
        debug: Show the traceback of an error.
    """
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = partial(_note, errors, warnings.showwarning)
            result = app(tokens, exit_on_error=False, print_error=True, error_console=errors)
    except CycloptsError:
        return USAGE
    except FormwrightError as error:
        if debug:
            raise
        errors.print("[bold red]error:[/]", end=" ")
        errors.print(str(error), markup=False)
        return USAGE
    except KeyboardInterrupt:
        errors.print("interrupted; what was finished is on disk, run the same command to go on.")
        return INTERRUPTED
    except BrokenPipeError:
        raise
    except Exception:
        if debug:
            raise
        errors.print(traceback.format_exc(), markup=False, end="")
        errors.print("not done, by an error that no one foresaw: please report it.")
        return USAGE
    return result if isinstance(result, int) else 0


def _note(
    console: Console,
    otherwise: Callable[..., None],
    message: Warning | str,
    category: type[Warning],
    *place: Any,
) -> None:
    """Show a warning of ours as a note, without the line of code that gave it."""
    ours = SectionWarning | StudyWarning | FlowWarning | IntegrityWarning
    if not issubclass(category, ours):
        return otherwise(message, category, *place)
    console.print("[yellow]note:[/]", end=" ")
    console.print(str(message), markup=False)


def main(tokens: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Args:
        tokens: Arguments; those of the process where None.

    Returns:
        0: done; 1: done, but some rows or checks failed; 2: not done; 130: interrupted; 141: what
        read the output (`head`) had enough of it. No other.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin starve other work
    arguments = sys.argv[1:] if tokens is None else list(tokens)
    try:
        result = app.meta(arguments, result_action="return_value")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED
    return result if isinstance(result, int) else 0
