"""`inpaint-page BUNDLE...`."""

import contextlib
import os
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from ...runtime.command import Device
from ...runtime.console import command_line, print_json, say
from ...runtime.errors import UsageError

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def inpaint_page(
    bundles: Annotated[
        list[Path],
        typer.Argument(help="Bundles made by export-onnx; the page offers them by name.", show_default=False),
    ],
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all this machine has.")] = LOOPBACK[0],
    port: Annotated[int, typer.Option(help="Port to listen on; 0 = any free one.", min=0, max=65535)] = 7860,
    user: Annotated[str | None, typer.Option(help="Name that visitors log in with.", show_default=False)] = None,
    password: Annotated[
        str | None,
        typer.Option(help="Password that visitors log in with.", envvar="INPAINT_PAGE_PASSWORD", show_default=False),
    ] = None,
    open_to_all: Annotated[
        bool, typer.Option("--open", help="Let everybody in who can reach --host, without a password.")
    ] = False,
    max_megapixels: Annotated[float, typer.Option(help="Larger images are refused.", min=0.01, max=200)] = 50,
    max_upload: Annotated[float, typer.Option(help="MiB of one file; larger ones are refused.", min=0.01)] = 64,
    waiting: Annotated[int, typer.Option(help="Requests that may wait; more are told to come back.", min=1)] = 16,
    at_once: Annotated[int, typer.Option(help="Requests that run at the same time.", min=1)] = 2,
    device: Device = "auto",
    threads: Annotated[int, typer.Option(help="CPU threads; 0 = all.", min=0)] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print address and backends as JSON on standard output when ready.")
    ] = False,
) -> None:
    """Serve a page to drop an image on, paint holes, fill them, compare, and download.

    Known pixels of the downloaded PNG are bit-identical to the image's. The page loads nothing from other hosts. It
    listens on this machine only unless --host says otherwise, and then needs --user and --password, or --open.
    Passwords and images cross the network unencrypted: beyond a trusted network, put a proxy with TLS in front.

    Example: inpaint-page places

    Exit codes: 0 when it is stopped (Ctrl-C), or 2 with one line that says what is wrong.
    """
    from .limits import Limits

    _check_access(host, user, password, open_to_all)
    limits = Limits(round(max_megapixels * 1e6), round(max_upload * 2**20), waiting, at_once)
    login = (user, password) if user and password else None
    named = _by_name(bundles)
    port = _free_port(host, port)
    with _folder_of_uploads(), contextlib.ExitStack() as stack:
        from ...runtime import Inpainter  # the backend loads only where it is used
        from .blocks import make_page

        inpainters = {name: stack.enter_context(Inpainter(path, device, threads)) for name, path in named.items()}
        for name, inpainter in inpainters.items():
            say(f"{name}: {inpainter.backend}")
        page = make_page(inpainters, limits)
        stack.callback(page.close, verbose=False)
        _, address, _ = page.launch(
            server_name=host, server_port=port, auth=login, max_file_size=limits.max_upload, quiet=True, share=False,
            prevent_thread_lock=True, footer_links=[], ssr_mode=False, inbrowser=False, run_history=False, pwa=False,
            mcp_server=False, enable_monitoring=False,
        )  # fmt: skip
        say(f"open {address} in a browser; Ctrl-C stops")
        if as_json:
            print_json({"url": address, "bundles": {name: i.backend.name for name, i in inpainters.items()}})
        _wait_to_be_stopped()


def _check_access(host: str, user: str | None, password: str | None, open_to_all: bool) -> None:
    """Refuse to listen beyond this machine without a word on who may come in."""
    if bool(user) != bool(password):
        raise UsageError("--user and --password belong together; give both")
    if user and open_to_all:
        raise UsageError("--open lets everybody in; leave it out, or leave out --user and --password")
    if host not in LOOPBACK and not user and not open_to_all:
        raise UsageError(
            f"--host {host} is open to other machines; add --user and --password, or --open to let everybody in"
        )


def _by_name(bundles: list[Path]) -> dict[str, Path]:
    named: dict[str, Path] = {}
    for bundle in bundles:
        name = bundle.resolve().name
        if name in named:
            raise UsageError(f"{named[name]} and {bundle} would both be offered as {name}; rename one")
        named[name] = bundle
    return named


def _free_port(host: str, port: int) -> int:
    """The port, or any free one for 0; refused here rather than after the bundles are open."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        if os.name == "posix":  # on Windows, the option would share a port that is in use
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise UsageError(f"cannot listen on --host {host} --port {port}: {error.strerror or error}") from None
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def _folder_of_uploads() -> Iterator[None]:
    """Gradio keeps uploads and results in a folder that ends with the command, and tells nobody that it runs."""
    with tempfile.TemporaryDirectory(prefix="inpaint-page-", ignore_cleanup_errors=True) as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        yield


def _wait_to_be_stopped() -> None:
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    while not stopped.wait(1.0):  # Windows delivers no signal during a wait without end
        pass


main = command_line(inpaint_page)
