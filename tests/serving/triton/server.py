"""A real Triton server, from the wheel nvidia-pytriton, and the paths that `make triton-check` has prepared."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

START = 120.0
"""Seconds until the server is ready; it takes 3 on an idle machine."""


@dataclass(frozen=True)
class Server:
    """A running server; all addresses are on the loopback interface."""

    http: str
    grpc: str
    metrics: str
    process: subprocess.Popen[bytes]
    log: Path


def export(bundle: Path, repository: Path) -> None:
    """As a user would, with the packages of this environment for the server's Python."""
    packages = sysconfig.get_paths()["purelib"]
    main = "from inpaintrt.serving.triton.command import main; main()"
    options = ["-o", repository, "--name", "places", "--threads", "1", "--site-packages", packages]
    subprocess.run([sys.executable, "-c", main, bundle, *options], check=True)


@contextlib.contextmanager
def triton_server(repository: Path, folder: Path, *models: str) -> Iterator[Server]:
    """A server over a repository, that loads models only when told to; `folder` takes its log and its stub."""
    wheel = find_spec("pytriton")  # of nvidia-pytriton
    assert wheel is not None
    assert wheel.origin is not None
    root = Path(wheel.origin).parent / "tritonserver"
    backends = folder / "backends"
    shutil.copytree(root / "backends", backends)
    # The backend starts the stub of the Python that is to run the models; it lies apart, one for each version.
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    shutil.copy(root / "python_backend_stubs" / version / "triton_python_backend_stub", backends / "python")
    libraries = [root / "external_libs", root.parent.parent / "nvidia_pytriton.libs"]
    ports = dict(zip(("http", "grpc", "metrics"), free_ports(3), strict=True))
    command = [root / "bin/tritonserver", "--model-repository", repository, "--backend-directory", backends]
    command += ["--model-control-mode", "explicit", *(f"--load-model={model}" for model in models)]
    for name, port in ports.items():
        command += [f"--{name}-address", "127.0.0.1", f"--{name}-port", str(port)]
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            env=os.environ | {"LD_LIBRARY_PATH": ":".join(map(str, libraries))},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        addresses = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
        try:
            wait_until_ready(addresses["http"], process, log)
            yield Server(**addresses, process=process, log=log)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_until_ready(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    from tritonclient import http

    end = time.monotonic() + START
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"tritonserver ended with {process.returncode}: {log.read_text()[-2000:]}")
        with contextlib.suppress(Exception), http.InferenceServerClient(address) as client:
            if client.is_server_ready():
                return
        time.sleep(0.5)
    raise RuntimeError(f"tritonserver is not ready after {START:.0f} s: {log.read_text()[-2000:]}")


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(opened.getsockname()[1]) for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports
