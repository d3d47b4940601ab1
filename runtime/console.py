"""What all commands share: exit codes, one line for each error, progress on a terminal and plain lines elsewhere."""

import functools
import inspect
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Literal, NoReturn

import typer

from .errors import InpaintrtError

PLAIN_WIDTH = 160
"""Columns of a table that goes to a file."""

OK, BAD_VERDICT, COULD_NOT_RUN = 0, 1, 2
"""Exit codes: done; ran, and the verdict is bad; could not run."""


def with_version(function: Callable[..., None]) -> Callable[..., None]:
    """The same command function with an option `--version` after its own."""

    def show(asked: bool) -> None:
        if asked:
            from importlib.metadata import version

            sys.stdout.write(f"inpaintrt {version('inpaintrt')}\n")
            raise typer.Exit

    option = Annotated[bool, typer.Option("--version", callback=show, is_eager=True, help="Show the version and exit.")]

    @functools.wraps(function)
    def extended(*arguments: Any, version: bool = False, **options: Any) -> None:
        function(*arguments, **options)

    # typer reads the options from the signature and the annotations.
    own = inspect.signature(function)
    added = inspect.Parameter("version", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=option)
    extended.__signature__ = own.replace(parameters=[*own.parameters.values(), added])  # type: ignore[attr-defined]
    extended.__annotations__ = {**function.__annotations__, "version": option}
    return extended


def command_line(function: Callable[..., None], panels: bool = False) -> Callable[[], None]:
    """Make a console entry point of a typer command function.

    User-fixable errors, in the options or in what they name, become one line on standard error and exit code 2.

    Args:
        function: the command.
        panels: show its options in panels, by their `rich_help_panel`; `[` in its help is then markup unless escaped.
    """

    def main() -> None:
        markup: Literal["rich"] | None = "rich" if panels else None
        app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=markup)
        app.command(context_settings={"help_option_names": ["-h", "--help"]})(with_version(function))
        try:
            code = app(standalone_mode=False)
        except InpaintrtError as error:
            fail(str(error))
        except BrokenPipeError:
            # Whoever read our output went away; Python must not complain again when it closes the stream.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise SystemExit(COULD_NOT_RUN) from None
        except OSError as error:
            # A disk that is full or read-only can strike in any write; the path says which.
            where = f"{error.filename}: " if error.filename else ""
            fail(f"{where}{error.strerror or error}")
        except (KeyboardInterrupt, typer.Abort):
            fail("interrupted")
        except Exception as error:
            explain = getattr(error, "format_message", None)  # typer's own errors about options
            if explain is None:
                raise
            fail(f"{explain()} (--help lists the options)")
        raise SystemExit(code or OK)

    return main


def fail(message: str) -> NoReturn:
    """Print one line on standard error and end with exit code 2."""
    say(f"error: {' '.join(message.split())}")
    raise SystemExit(COULD_NOT_RUN)


def say(message: str) -> None:
    """One line for the reader on standard error, so that standard output stays machine-readable."""
    if sys.stderr is not None:  # a service may have closed it
        sys.stderr.write(message + "\n")
        sys.stderr.flush()


def say_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table for the reader on standard error, as wide as the terminal."""
    from rich.box import SIMPLE_HEAD  # only where a table is shown
    from rich.console import Console
    from rich.table import Table

    if sys.stderr is None:
        return
    table = Table(*columns, box=SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    width = None if sys.stderr.isatty() else PLAIN_WIDTH
    Console(stderr=True, width=width, markup=False, highlight=False).print(table)


def print_json(result: Any) -> None:
    """The machine-readable result on standard output."""
    if sys.stdout is not None:
        sys.stdout.write(json.dumps(result, indent=2) + "\n")
        sys.stdout.flush()


class Progress:
    """Steps of one long task; a bar on a terminal, a line for each description elsewhere."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._task: Any = None
        if sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
            from rich.console import Console  # only where a bar is shown
            from rich.progress import BarColumn, Progress as RichProgress, TextColumn, TimeElapsedColumn

            self._bar = RichProgress(
                TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"),
                TimeElapsedColumn(), console=Console(stderr=True), transient=False,
            )  # fmt: skip

    def start(self, description: str) -> None:
        """Begin the next part; its share done is 0."""
        if self._bar is None:
            say(description)
        elif self._task is None:
            self._bar.start()
            self._task = self._bar.add_task(description, total=1.0)
        else:
            self._bar.update(self._task, completed=1.0)
            self._task = self._bar.add_task(description, total=1.0)

    def update(self, share: float) -> None:
        """The current part is done to `share` (0..1)."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=share)

    def line(self, message: str) -> None:
        """A line where there is no bar."""
        if self._bar is None:
            say(message)

    def stop(self) -> None:
        """Finish the last part and leave the bar on the screen."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=1.0)
            self._bar.stop()


@contextmanager
def progress() -> Iterator[Progress]:
    """A `Progress` that is stopped whatever happens."""
    shown = Progress()
    try:
        yield shown
    finally:
        shown.stop()
