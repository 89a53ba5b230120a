"""The commands by name, and what happens when one of them fails.

Commands are named as strings and imported when they are called, so that `theodolite --help` loads neither torch nor
polars.
"""

import errno
import os
import signal
import sys
import traceback
from contextlib import suppress
from importlib.metadata import version
from typing import TextIO

from cyclopts import App, CycloptsError, Parameter

from theodolite.cli.converting import converted
from theodolite.cli.examples import epilogue
from theodolite.cli.help_text import FLAGS, PLACES, HelpText
from theodolite.cli.lists import spread
from theodolite.core.errors import TheodoliteError
from theodolite.core.interrupts import TerminationError, ending_in_order, heeding_interrupts, importing_whole
from theodolite.core.redaction import redacted
from theodolite.core.visible import visible
from theodolite.runs.runners import REPRODUCIBLE

_ERROR, _USAGE, _SIGNAL = 1, 2, 128
_UNHEARD = (errno.EPIPE, errno.ENOSPC)  # of a stream: what is printed is not read, or finds no room
_EPILOGUE = (
    "Examples:\n"
    "  theodolite survey                        a first look: the bundled models\n"
    "  theodolite survey ./my-model             a local model folder\n"
    "  theodolite dimension w.safetensors#name  one tensor of a file\n"
    "  theodolite dimension REF --json          one JSON object for other programs\n"
    "Exit codes: 0 done, 1 error, 2 usage, 3 some units failed, 130 interrupted, 143 terminated."
)

app = App(
    name="theodolite",
    help="Survey the geometry of language-model token representations.",
    help_epilogue=_EPILOGUE,
    help_format="plaintext",
    help_formatter=HelpText(),
    version=version("theodolite"),
    default_parameter=Parameter(negative_iterable=(), converter=converted),
    suppress_keyboard_interrupt=False,
    result_action="return_value",
)
for _name, _where, _help in (
    ("survey", "survey:survey", "Survey models (the main job); alone, the bundled family."),
    ("dimension", "survey:dimension", "Dimension of embedding tables, with nulls and hub checks."),
    ("training", "training:training", "Dimension along training, beside random tables and the loss."),
    ("rank", "rank:rank", "Rank that an input embedding needs: adapters, cut tables, dimension."),
    ("layers", "layers:layers", "Token clouds of prompts, layer by layer."),
    ("neighbors", "neighbors:neighbors", "Exact neighbors of one table, in units of rows that merge into one graph."),
    ("similarity", "similarity:similarity", "Geometry that models share: cosines, neighbors, dimension, states."),
    ("reproduce", "reproduce:reproduce", "Reproduce a paper: its claims and numbers beside ours."),
    ("inspect", "inspect:inspect", "Show what a reference holds; reads headers only."),
    ("align", "align:align", "Count the tokens that two tables share, and show examples."),
    ("tokens", "tokens:tokens", "Neighbors, dimension and length of tokens; rows that stand out."),
    ("run", "survey:run", "Run a study from a file, such as the study.yaml of another run."),
    ("plan", "plan:plan", "Show what a study will take: units, downloads, disk, memory, time."),
    ("report", "folders:report", "Write the report and the figures of a run again."),
    ("status", "status:status", "Show how far a run is, and what failed."),
    ("compare-runs", "compare:compare_runs", "Say whether two runs agree, and where not."),
    ("ls", "folders:ls", "List the runs in a folder."),
    ("completion", "completion:completion", "Print the completion of commands and options for a shell."),
    ("schema", "schema:schema", "Print the JSON Schema of what other programs read."),
    ("doctor", "doctor:doctor", "Check this installation; the output is fit for an issue."),
):
    app.command(
        f"theodolite.cli.{_where}",
        name=_name,
        help=_help,
        help_epilogue=epilogue(_name),
        group=PLACES[_name][0],
        sort_key=PLACES[_name][1],
    )
_probe = App(
    name="probe",
    help="Tell hostile from benign prompts: fit, evaluate, score.",
    help_epilogue=epilogue("probe"),
    group=PLACES["probe"][0],
    sort_key=PLACES["probe"][1],
)
for _name, _where, _help in (
    ("fit", "probe:fit", "Measure prompts, evaluate probes beside baselines, save the probe."),
    ("evaluate", "probe:evaluate", "Evaluate a run's probes again and write its report."),
    ("score", "probe:score", "Probability of being hostile, for each prompt of a file."),
):
    _probe.command(f"theodolite.cli.{_where}", name=_name, help=_help, help_epilogue=epilogue(f"probe {_name}"))
app.command(_probe)
for _name, _help in (
    ("cache", "Show what is kept of models on the Hub; `cache clear` removes it."),
    ("transfer", "Carry steering vectors to another model, with controls."),
):
    _group, _place = PLACES[_name]
    app.command(f"theodolite.cli.{_name}:{_name}", name=_name, help=_help, group=_group, sort_key=_place)
for _name in ("--help", "--version"):
    app[_name].group = FLAGS


def main() -> None:
    """Run the command line and exit with its code."""
    os.environ.update({name: value for name, value in REPRODUCIBLE.items() if name not in os.environ})
    try:
        with ending_in_order():
            code = _run(spread(sys.argv[1:]))
            sys.stdout.flush()
    except KeyboardInterrupt as interrupt:
        code = _ended(interrupt)
    except OSError as error:
        if not isinstance(error, BrokenPipeError):  # the reader of our output left, as `theodolite ls | head` does
            _say(f"error: What the command prints cannot be written: {error.strerror}.")
        _let_go(sys.stdout)
        code = _ERROR
    sys.exit(code)


def _run(arguments: list[str]) -> int:
    """Run one command and return its exit code."""
    try:
        with heeding_interrupts(), importing_whole("torch"):
            return app(arguments, exit_on_error=False, print_error=False) or 0
    except CycloptsError as error:
        named = " ".join(app.parse_commands(arguments)[0])
        _say(f"error: {error}\n`{' '.join(filter(None, ('theodolite', named)))} --help` says what can be given.")
        _print_error(arguments, error)
        return _USAGE
    except TheodoliteError as error:
        return _fail(arguments, error, error.exit_code)
    except OSError as error:
        if error.filename is None and error.errno in _UNHEARD:
            raise
        return _fail(arguments, error, _ERROR)
    except Exception as error:  # the last resort of a program: nothing is swallowed, the exit code says so
        return _fail(arguments, error, _ERROR)


def _ended(interrupt: KeyboardInterrupt) -> int:
    """Say that a signal ended the command, and return the exit code that shells show for it."""
    number = interrupt.number if isinstance(interrupt, TerminationError) else signal.SIGINT
    what = "Interrupted" if number == signal.SIGINT else f"Ended by {interrupt}"
    with suppress(OSError):
        _say(f"{what}. Finished units are kept: the same command goes on where this one stopped.")
    _let_go(sys.stdout)
    _let_go(sys.stderr)
    return _SIGNAL + number


def _let_go(stream: TextIO) -> None:
    """Write what a stream still holds; nowhere, if its terminal or reader is gone, or Python complains at the end."""
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _fail(arguments: list[str], error: Exception, code: int) -> int:
    """Say what went wrong, in the form that was asked for, and return the exit code."""
    deliberate = isinstance(error, TheodoliteError)
    message = str(error) if deliberate else f"{type(error).__name__}: {error}"
    if "--debug" in arguments:
        _say("".join(traceback.format_exception(error)).rstrip())
    elif deliberate:
        _say(f"error: {message}")
    else:
        _say(f"internal error: {message}\nThis is a fault of theodolite. `--debug` shows where; please report it.")
    _print_error(arguments, error)
    return code


def _print_error(arguments: list[str], error: Exception) -> None:
    """Print the error as the one JSON object, where that was asked for."""
    if "--json" in arguments:
        from theodolite.cli.output import print_json  # noqa: PLC0415 - only on this path

        named, _, _ = app.parse_commands(arguments)
        said = str(error) if isinstance(error, TheodoliteError | CycloptsError) else f"{type(error).__name__}: {error}"
        told = {"type": type(error).__name__, "message": redacted(said)}
        print_json(
            {"command": " ".join(named), "status": "error", "error": told | {"message": redacted(told["message"])}}
        )


def _say(text: str) -> None:
    print(visible(redacted(text)), file=sys.stderr)


if __name__ == "__main__":
    main()
