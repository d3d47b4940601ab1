"""Public inpainting networks through the export, from code that you fetch: the table of docs/networks.md.

::

    python -m benchmarks.networks --clone FOLDER | sh         fetch the code of all of them
    python -m benchmarks.networks FOLDER [--only LaMa,RFR] [--size 256] [--rounds 5]

Each network gets random weights and a process of its own. Tried are: the export of both precisions; the FP32 graph on
ONNX Runtime against PyTorch in FP64; the FP16 graph with every value rounded to FP16, with a usual mask, one known
pixel, all hole and all known; an engine for sm89, or what the export says no engine takes; and the speed of the FP32
graph against the plain `torch.onnx.export`, in turns in one process. Nothing of the code is kept. Results go to
`benchmarks/results/networks.json`, row by row, and the table to the terminal.
"""

import json
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.networks.public import NETWORKS, Network
from benchmarks.networks.trial import try_network

RESULTS = Path(__file__).parents[1] / "results" / "networks.json"

HEADER = (
    "| network | size | export | FP32 error (PyTorch's own) | FP16 share | strict FP16 | engine sm89 | speed |\n"
    "|---|---|---|---|---|---|---|---|"
)


def row_of(network: Network, folder: Path, size: tuple[int, int], rounds: int, engines: bool) -> dict[str, Any]:
    """The row of one network, whatever becomes of its process."""
    base = {"network": network.name, "repository": network.repository}
    if not network.paths(folder)[0].is_dir():
        return {**base, "export": f"not tried: git clone {_url(network)} {folder / network.repository.split('/')[1]}"}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        try:
            return base | pool.submit(try_network, network.name, folder, size, rounds, engines).result()
        except BrokenProcessPool:
            return {**base, "export": "its process was killed (out of memory?)"}
        except Exception as error:  # of foreign code or of ours; the row says which
            return {**base, "export": f"{type(error).__name__}: {str(error)[:300]}"}


def cells(row: dict[str, Any]) -> list[str]:
    """A row of the table."""
    if row["export"] != "ok":
        return [row["network"], row.get("size", ""), row["export"], "", "", "", "", ""]
    broken = row["strict_fp16_not_finite"]
    finite = "not finite: " + ", ".join(broken) if broken else f"{row['strict_fp16_error']:.1e}"
    speed = row.get("speed", "")
    return [
        row["network"],
        row["size"],
        f"{row['export_seconds']:.0f} s",
        f"{row['fp32_error']:.1e} ({row['pytorch_error']:.1e}{', of FP32' if row['reference'] == 'FP32' else ''})",
        f"{100 * row['share_fp16']:.1f} %",
        finite,
        row["engine"],
        f"{speed:.2f}" if isinstance(speed, float) else speed,
    ]


def main(
    folder: Annotated[Path, typer.Argument(help="Where the repositories are, or are to be cloned.")],
    clone: Annotated[bool, typer.Option("--clone", help="Print the commands that fetch the code.")] = False,
    only: Annotated[str, typer.Option(help="First letters of names, separated by commas.")] = "",
    size: Annotated[str, typer.Option(help="SIZE or HEIGHTxWIDTH where the network leaves the choice.")] = "256",
    rounds: Annotated[int, typer.Option(help="Timed rounds; 0 for none.", min=0)] = 5,
    engines: Annotated[bool, typer.Option(help="Build engines, and not only ask the parser.")] = True,
) -> None:
    """Try each network, print the table, and keep the rows."""
    chosen = [n for n in NETWORKS if any(n.name.lower().startswith(part.strip().lower()) for part in only.split(","))]
    if clone:
        for url in dict.fromkeys(map(_url, chosen)):
            print(f"git clone --depth 1 {url} {folder / url.rsplit('/', 1)[1]}")  # noqa: T201
        return
    sides = [int(side) for side in size.split("x")]
    rows = {row["network"]: row for row in json.loads(RESULTS.read_text())} if RESULTS.exists() else {}
    print(HEADER)  # noqa: T201
    for network in chosen:
        rows[network.name] = row_of(network, folder.absolute(), (sides[0], sides[-1]), rounds, engines)
        print(f"| {' | '.join(cells(rows[network.name]))} |", flush=True)  # noqa: T201
        ordered = [rows[known.name] for known in NETWORKS if known.name in rows]
        RESULTS.write_text(json.dumps(ordered, indent=2) + "\n")


def _url(network: Network) -> str:
    return f"https://github.com/{network.repository}"


if __name__ == "__main__":
    typer.run(main)
