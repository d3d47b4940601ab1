"""The batch job on a Ray cluster of three nodes on this machine: what is killed costs nothing and doubles nothing."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("ray", reason="needs ray; pip install -e '.[ray]'")

from inpaintrt.runtime import Bundle, Inpainter
from inpaintrt.runtime.errors import BackendError
from inpaintrt.runtime.images import decode_image, encode_png
from inpaintrt.serving.batch import BatchOptions, fill_dataset, job, run_batch
from inpaintrt.serving.batch.cluster import running
from inpaintrt.serving.batch.manifest import Manifest
from inpaintrt.serving.batch.worker import FileWorker, Row
from tests.commands import program
from tests.conftest import random_image
from tests.serving.browser import pixels, png

STORE = 100 * 2**20
NODE_START = 60
"""Seconds; it takes 3 on an idle machine."""

TRIES = 5
"""Ray gives the helpers of a node 15 s, which cannot be set; on a busy machine some of them need more."""


def give_nodes_time(patch: pytest.MonkeyPatch) -> None:
    """Ray gives a node 30 s to appear, which a busy machine may not manage; it asks with this function until then."""
    from ray._private import services

    ask = services.get_node

    def ask_patiently(*arguments: Any) -> Any:
        for _ in range(NODE_START):
            with contextlib.suppress(RuntimeError):
                return ask(*arguments)
            time.sleep(1)
        return ask(*arguments)

    patch.setattr(services, "get_node", ask_patiently)


def patiently(start: Callable[[], Any]) -> Any:
    """What `start` gives, which may fail on a busy machine."""
    for _ in range(TRIES - 1):
        with contextlib.suppress(Exception):
            return start()
    return start()


def node_arguments() -> dict[str, int]:
    """Of one node; it waits at most 15 s for helpers that choose their ports themselves, so they are given theirs."""
    kinds = ("metrics_agent_port", "metrics_export_port", "dashboard_agent_listen_port", "runtime_env_agent_port")
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in kinds]
    ports = {kind: int(opened.getsockname()[1]) for kind, opened in zip(kinds, sockets, strict=True)}
    for opened in sockets:
        opened.close()
    return {"num_cpus": 1, "object_store_memory": STORE, **ports}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    import ray
    from ray.cluster_utils import Cluster

    patch = pytest.MonkeyPatch()
    give_nodes_time(patch)
    patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    patch.setenv("RAY_raylet_start_wait_time_s", str(NODE_START))
    patch.setenv("RAY_agent_register_timeout_ms", str(1000 * NODE_START))
    head = {"include_dashboard": False}
    cluster = patiently(lambda: Cluster(initialize_head=True, connect=True, head_node_args=head | node_arguments()))
    for _ in range(2):
        patiently(lambda: cluster.add_node(**node_arguments()))
    cluster.wait_for_nodes()
    yield cluster
    ray.shutdown()
    cluster.shutdown()
    patch.undo()


def make_folders(folder: Path, count: int) -> list[str]:
    (folder / "images").mkdir()
    (folder / "masks").mkdir()
    for number in range(count):
        image, mask = random_image(40, 50, number)
        (folder / f"images/{number:03}.png").write_bytes(png(image))
        (folder / f"masks/{number:03}.png").write_bytes(png((mask * 255).astype(np.uint8)))
    (folder / "images/cut.png").write_bytes(png(random_image(40, 50)[0])[:200])
    (folder / "masks/cut.png").write_bytes((folder / "masks/000.png").read_bytes())
    return [str(folder / name) for name in ("images", "masks", "out")]


def processes(name: bytes) -> list[int]:
    """Whose command line holds a name."""
    found = []
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            if name in (process / "cmdline").read_bytes():
                found.append(int(process.name))
    return found


def kill_a_worker() -> None:
    """SIGKILL one of the processes that fill."""
    os.kill(processes(b"ray::MapWorker")[0], signal.SIGKILL)


def wait_until_gone(name: bytes) -> None:
    end = time.monotonic() + NODE_START
    while processes(name):
        assert time.monotonic() < end, f"{name!r} is still there"
        time.sleep(0.2)


def killed_at_one(name: str) -> type[FileWorker]:
    """A worker whose process ends at an image, as a decoder may that runs out of memory."""

    class Killed(FileWorker):
        def _fill_file(self, name_: str, image: str, mask: str) -> Row:
            if name_ == name:
                os._exit(1)
            return super()._fill_file(name_, image, mask)

    return Killed


def manifest_rows(output: str) -> list[dict[str, Any]]:
    from pyarrow import parquet

    return [r for part in sorted(Path(output).glob("manifest/*")) for r in parquet.read_table(part).to_pylist()]


@pytest.mark.long
def test_killed_workers_and_a_killed_node_lose_and_double_nothing(
    cluster: Any, dynamic_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "BLOCK", 2)
    monkeypatch.setattr(job, "BLOCKS", 20)
    count = 60
    images, masks, output = make_folders(tmp_path, count)
    victim = max(cluster.worker_nodes, key=lambda node: node.node_id)
    events = [(10, kill_a_worker), (25, lambda: cluster.remove_node(victim, allow_graceful=False))]

    def progress(done: int, total: int) -> None:
        assert total == count + 1
        if events and done >= events[0][0]:
            events.pop(0)[1]()

    result = run_batch(dynamic_bundle.path, images, masks, output, BatchOptions(workers=3, device="cpu"), progress)
    patiently(lambda: cluster.add_node(**node_arguments()))
    assert events == [], "both were killed"
    assert (result.filled, result.failed, result.done_before) == (count, 1, 0)
    assert "cut.png: is damaged" in result.errors["cut"]
    rows = manifest_rows(output)
    names = [f"{number:03}" for number in range(count)]
    assert sorted(row["name"] for row in rows) == [*names, "cut"]
    assert sorted(path.stem for path in Path(output, "filled").iterdir()) == names
    # The killed node's worker may live on for a moment: it may make the folder again, and leaves it empty.
    assert {path.name for path in Path(output).iterdir()} <= {"filled", "manifest", "partial"}
    assert list(Path(output).glob("partial/*")) == [], "nothing half-written is left"
    with Inpainter(dynamic_bundle.path, "cpu", 1) as inpainter:
        for number, name in enumerate(names):
            original = decode_image(Path(images, f"{name}.png").read_bytes(), name)
            expected = encode_png(inpainter(original.rgb, random_image(40, 50, number)[1]), original)
            assert Path(output, f"filled/{name}.png").read_bytes() == expected

    # Run again: only the image that failed, and the result that somebody removed, are done again.
    Path(output, "filled/007.png").unlink()
    before = {path.name: path.stat().st_mtime_ns for path in Path(output, "filled").iterdir()}
    again = run_batch(dynamic_bundle.path, images, masks, output, BatchOptions(workers=1, device="cpu"))
    assert (again.filled, again.failed, again.done_before) == (1, 1, count - 1)
    after = {path.name: path.stat().st_mtime_ns for path in Path(output, "filled").iterdir()}
    assert {name: after[name] for name in before} == before
    assert sorted(row["name"] for row in manifest_rows(output)) == [*names, "cut"]


@pytest.mark.long
def test_an_image_that_kills_its_worker_takes_no_other_with_it(
    cluster: Any, dynamic_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "BLOCK", 4)
    monkeypatch.setattr(job, "FileWorker", killed_at_one("005"))
    addresses = make_folders(tmp_path, 12)
    result = run_batch(dynamic_bundle.path, *addresses, BatchOptions(workers=1, device="cpu"))
    assert (result.filled, result.failed) == (11, 2)
    assert result.errors["005"] == "its worker died 4 times; look at it, or give workers more memory"
    assert sorted(row["name"] for row in manifest_rows(addresses[2])) == [*(f"{n:03}" for n in range(12)), "cut"]


@pytest.mark.long
def test_a_killed_command_goes_on_where_it_was(dynamic_bundle: Bundle, tmp_path: Path) -> None:
    count = 400
    images, masks, output = make_folders(tmp_path, count)
    command = [sys.executable, "-c", program("inpaint-batch"), dynamic_bundle.path, "--device", "cpu"]
    command += ["--images", images, "--masks", masks, "-o", output]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while len(manifest_rows(output)) < count // 4:
        assert process.poll() is None, "it must be killed half-way"
        time.sleep(0.1)
    process.kill()
    process.wait()
    wait_until_gone(b"ray::MapWorker")
    before = filled_files(output)
    known = {row["name"] for row in manifest_rows(output)}
    assert count // 4 <= len(known - {"cut"}) < count

    done = subprocess.run([*command, "--json"], check=False, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["done_before"] == len(known - {"cut"})
    after = filled_files(output)
    assert len(after) == count
    assert {name: after[name] for name in known - {"cut"}} == {name: before[name] for name in known - {"cut"}}
    assert sorted(row["name"] for row in manifest_rows(output)) == [*(f"{n:03}" for n in range(count)), "cut"]


def filled_files(output: str) -> dict[str, int]:
    """When each result was written."""
    folder = Path(output, "filled")
    return {path.stem: path.stat().st_mtime_ns for path in folder.iterdir()} if folder.is_dir() else {}


@pytest.mark.long
def test_a_dataset_of_ones_own(cluster: Any, dynamic_bundle: Bundle) -> None:
    import ray.data

    pairs = [random_image(40, 50, seed) for seed in range(6)]
    rows = [{"id": n, "image": png(i), "mask": png((m * 255).astype(np.uint8))} for n, (i, m) in enumerate(pairs)]
    rows.append({"id": 6, "image": b"GIF89a", "mask": rows[0]["mask"]})
    filled = fill_dataset(ray.data.from_items(rows), dynamic_bundle.path, device="cpu").take_all()
    assert sorted(row["id"] for row in filled) == list(range(7))
    with Inpainter(dynamic_bundle.path, "cpu", 1) as inpainter:
        for row in filled:
            if row["id"] < 6:
                assert (pixels(row["filled"]) == inpainter(*pairs[row["id"]])).all()
                assert row["error"] == ""
            else:
                assert (row["filled"], "known format" in row["error"]) == (b"", True)


@pytest.mark.long
def test_more_than_the_cluster_has_is_refused(cluster: Any, dynamic_bundle: Bundle, tmp_path: Path) -> None:
    addresses = make_folders(tmp_path, 1)
    with pytest.raises(BackendError, match=r"99 workers need 99 CPU, but Ray has \d+; use fewer workers"):
        run_batch(dynamic_bundle.path, *addresses, BatchOptions(workers=99))
    assert Manifest(addresses[2], "").read() == {}


class Busy:
    """Ray on a machine that is too busy to start it, some times."""

    def __init__(self, failures: int):
        self.left = failures

    def is_initialized(self) -> bool:
        return False

    def init(self, **_: Any) -> None:
        self.left -= 1
        if self.left >= 0:
            raise Exception("The current node timed out")

    def shutdown(self) -> None:
        pass

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 1}


def test_a_busy_machine_gets_more_than_one_chance() -> None:
    with running(Busy(2), BatchOptions()):
        pass
    for failures, address, reason in (
        (3, None, "Ray cannot be started on this machine: The current node timed out"),
        (1, "ray://x:1", "Ray cannot be reached at ray://x:1: The current node timed out"),
    ):
        with pytest.raises(BackendError, match=reason), running(Busy(failures), BatchOptions(address=address)):
            pytest.fail("Ray does not run")
