"""What the command refuses."""

import socket
import sys
from pathlib import Path

import pytest

from inpaintrt.runtime import Bundle
from tests.commands import refused

OPEN = "open to other machines; add --user and --password, or --open"


@pytest.mark.parametrize(
    ("options", "reason"),
    {
        "nobody": (["--host", "0.0.0.0"], OPEN),
        "address": (["--host", "192.168.1.5"], OPEN),
        "no password": (["--user", "ann"], "--user and --password belong together; give both"),
        "no user": (["--host", "0.0.0.0", "--password", "x"], "--user and --password belong together; give both"),
        "both": (["--user", "ann", "--password", "x", "--open"], "--open lets everybody in; leave it out"),
    }.values(),
)
def test_who_may_come_in_must_be_said(dynamic_bundle: Bundle, options: list[str], reason: str) -> None:
    assert reason in refused("inpaint-page", dynamic_bundle.path, *options)


def test_names_ports_and_bundles_are_checked(dynamic_bundle: Bundle, tmp_path: Path) -> None:
    twice = refused("inpaint-page", dynamic_bundle.path, dynamic_bundle.path)
    assert f"would both be offered as {dynamic_bundle.path.name}; rename one" in twice
    assert "no such bundle" in refused("inpaint-page", tmp_path / "none", "--port", "0")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        busy = refused("inpaint-page", dynamic_bundle.path, "--port", taken.getsockname()[1])
    assert "cannot listen on --host 127.0.0.1 --port" in busy


def test_without_gradio_the_command_says_how_to_get_it(dynamic_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert "pip install -e '.[page]'" in refused("inpaint-page", dynamic_bundle.path, "--port", "0")
