"""From two endpoints to a dataset that loads: generate -> judge -> build -> check -> load, on this machine.

    python examples/local_pair/local_pair.py --out DIR              two tiny VLMs built on the spot; no key, no download
    python examples/local_pair/local_pair.py --out DIR --queries QUERIES --edge ID@URL --cloud ID@URL --judge ID@URL

Without endpoints, what the models answer is NOISE (random weights) and so are the scores and labels: this shows that
the pipeline runs, nothing else. With endpoints of your own, the same steps build a real RSD.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

HERE = Path(__file__).parent
TIERS = {"edge": ("tiny-edge", 32, 2), "cloud": ("tiny-cloud", 64, 4)}  # name, width, layers
START_S = 120


def run(*command: object) -> None:
    """Run a command as a user would type it, and stop where it fails."""
    print(f"\n$ {' '.join(map(str, command))}", flush=True)
    if code := subprocess.run([sys.executable, "-m", *map(str, command)]).returncode:
        sys.exit(code)


def draw_queries(folder: Path, n: int = 60) -> Path:
    """A records folder of `n` pictures with some squares in them, and the question how many."""
    from PIL import Image, ImageDraw

    rng = random.Random(0)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    about = {"name": "Squares", "license": "CC0-1.0", "redistributable": True, "notes": "drawn by an example"}
    (folder / "source.json").write_text(json.dumps(about))
    with (folder / "queries.jsonl").open("w") as stream:
        for i in range(n):
            squares = rng.randrange(1, 5)
            picture = Image.new("RGB", (112, 112), "white")
            for k in range(squares):
                x, y = 8 + 52 * (k % 2) + rng.randrange(8), 8 + 52 * (k // 2) + rng.randrange(8)
                ImageDraw.Draw(picture).rectangle((x, y, x + 30, y + 30), fill=rng.choice(("red", "green", "blue")))
            picture.save(folder / "images" / f"{i}.png")
            query = {"query_id": f"squares/{i}", "source": "squares", "domain": "synthetic", "image": f"images/{i}.png"}
            query |= {"question": "How many squares are in this picture?", "reference_answer": str(squares)}
            stream.write(json.dumps(query) + "\n")
    (folder / "responses.jsonl").touch()
    return folder


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """`transformers serve` of a model folder on a free port of 127.0.0.1; gives its base URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = folder.parent.resolve() / "hf-home"
    (home / "hub").mkdir(parents=True, exist_ok=True)
    command = [
        Path(sys.executable).parent / "transformers",
        "serve",
        folder.name,
        "--host",
        "127.0.0.1",
        "--port",
        port,
    ]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(home)}
    with (folder.parent / f"{folder.name}.log").open("w") as log:
        process = subprocess.Popen(
            [*map(str, command), "--device", "cpu"],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=folder.parent,
        )
        try:
            _wait_for(port, process)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()
            process.wait(20)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(START_S * 4):
        if process.poll() is not None:
            sys.exit("transformers serve did not start (see .log): pip install 'transformers[serving]' accelerate")
        try:
            with urlopen(f"http://127.0.0.1:{port}/health", timeout=1):
                return
        except (URLError, OSError):
            time.sleep(0.25)
    sys.exit("transformers serve did not come up")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for everything that is made")
    parser.add_argument("--queries", help="store, records folder or dataset; default: drawn squares")
    for name in ("edge", "cloud"):
        parser.add_argument(
            f"--{name}", metavar="ID@URL", help=f"the {name} model; default: a tiny one of random weights"
        )
    parser.add_argument("--judge", metavar="ID@URL", default="exact-match", help="default: exact-match, no model")
    given = parser.parse_args()
    out: Path = given.out
    store, dataset = out / "store", out / "dataset"
    out.mkdir(parents=True, exist_ok=True)
    queries = given.queries or draw_queries(out / "squares")
    with ExitStack() as stack:
        endpoints = {}
        for tier, (name, width, layers) in TIERS.items():
            if not (endpoint := getattr(given, tier)):
                folder = out / "models" / name
                if not (folder / "config.json").is_file():
                    subprocess.run(
                        [sys.executable, HERE / "tiny_vlm.py", folder, "--width", str(width), "--layers", str(layers)],
                        check=True,
                    )
                endpoint = f"{name}@{stack.enter_context(served(folder))}"
                print(f"{name} answers noise: its weights are random")
            endpoints[tier] = endpoint
        options = [part for endpoint in endpoints.values() for part in ("--model", endpoint)]
        if not (given.edge and given.cloud):
            options += [
                "--param",
                "max_tokens=16",
                "--concurrency",
                "2",
                "--hardware",
                "this machine, CPU, random weights",
            ]
        run("rsd_bench", "generate", queries, *options, "--out", store)
    run("rsd_bench", "judge", store, "--judge", given.judge)
    small, large = (endpoint.split("@http")[0] for endpoint in endpoints.values())
    recipe = out / "recipe.toml"
    recipe.write_text(f'name = "local-pair"\npair = {{ small = {json.dumps(small)}, large = {json.dumps(large)} }}\n')
    run("rsd_bench", "data", "build", recipe, "--store", store, "--out", dataset)
    run("rsd_bench", "data", "check", dataset)

    import rsd_bench as rsd

    parts = rsd.load(dataset, mes=6)
    labels = Counter(parts["train"].features["label"].int2str(parts["train"]["label"][:]))
    print(f"\nrsd_bench.load({str(dataset)!r}, mes=6): { ({name: len(part) for name, part in parts.items()}) }")
    print(f"train labels: {dict(labels)}")
    if not (given.edge and given.cloud):
        print("The models have random weights: these labels mean nothing.")


if __name__ == "__main__":
    main()
