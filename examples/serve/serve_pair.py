"""A router in front of two models, and its traffic as the next dataset: serve -> ask -> import -> judge -> build.

    pip install 'rsd-bench[serve,judge,router]' 'transformers[serving]' accelerate
    python examples/serve/serve_pair.py --out DIR                 two tiny VLMs built on the spot; no key, no download
    python examples/serve/serve_pair.py --out DIR --edge ID@URL --cloud ID@URL [--router DIR]

Without --router a rule of three lines decides, which shows what a server needs of a router; a trained one is served by
`rsd-bench serve --router DIR --edge ID@URL --cloud ID@URL --log STORE --shadow 1`. The tiny models have random weights:
what they answer is NOISE, and so are the labels at the end.
"""

from __future__ import annotations

import argparse
import base64
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "local_pair"))
from local_pair import TIERS, draw_queries, run, served  # noqa: E402 - it stands in the other example


@dataclass(frozen=True)
class Decision:
    """What a server reads of a decision."""

    model: str
    p_edge: float
    tau: float


class SmallPictures:
    """Small pictures stay on the edge."""

    scenario = None

    def route(self, image: Any, question: str, scenario: Any = None) -> Decision:
        p = 0.9 if image and len(image[0]) % 2 else 0.1
        return Decision("edge" if p >= 0.5 else "cloud", p, 0.5)


@contextmanager
def serving(edge: str, cloud: str, store: Path, router: str | None) -> Iterator[str]:
    """The server on a free port of 127.0.0.1; gives its base URL."""
    command = [sys.executable, __file__, "--out", str(store), "--edge", edge, "--cloud", cloud, "--only-serve"]
    command += ["--router", router] if router else []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin and process.stdout
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.terminate()
            process.wait(30)


def serve(edge: str, cloud: str, store: Path, router: str | None) -> None:
    """What `rsd-bench serve` does, with a router that is an object of this file."""
    from rsd_bench import load_router
    from rsd_bench.serve.app import make_app
    from rsd_bench.serve.deciding import loaded
    from rsd_bench.serve.listening import listen, run
    from rsd_bench.serve.settings import read_settings

    given = {"edge": edge, "cloud": cloud, "router": (router or "a rule",), "port": 0, "log": str(store), "shadow": 1.0}
    settings = read_settings(None, given)
    app = make_app(settings, [loaded(load_router(router) if router else SmallPictures())])
    with listen(settings) as on:
        print(on.getsockname()[1], flush=True)
        run(app, on)


def ask(url: str, folder: Path) -> None:
    """Ask every drawn question, as any client of OpenAI's would, and show who answered."""
    from openai import OpenAI

    client = OpenAI(api_key="none", base_url=url, max_retries=0)
    for line in (folder / "queries.jsonl").read_text().splitlines():
        query = json.loads(line)
        data = base64.b64encode((folder / query["image"]).read_bytes()).decode()
        picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}
        content = [picture, {"type": "text", "text": query["question"]}]
        raw = client.chat.completions.with_raw_response.create(
            model=client.models.list().data[0].id, messages=[{"role": "user", "content": content}], max_tokens=16
        )
        said = raw.parse().choices[0].message.content
        decided = f"{raw.headers['x-rsd-tier']:6} p {raw.headers['x-rsd-p-edge']}"
        print(f"{query['query_id']:12} {decided}  {said[:40]!r}")


def wait_for_shadows(store: Path, seconds: float = 120) -> None:
    """Until the log has both answers to everything that was asked."""
    import sqlite3

    end = time.monotonic() + seconds
    counts = "SELECT (SELECT count(*) FROM served), (SELECT count(*) FROM answers WHERE shadow)"
    connection = sqlite3.connect(store / "served.sqlite")
    while time.monotonic() < end:
        asked, shadows = connection.execute(counts).fetchone()
        if asked == shadows:
            break
        time.sleep(0.2)
    connection.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for everything that is made")
    for name in ("edge", "cloud"):
        parser.add_argument(f"--{name}", metavar="ID@URL", help=f"the {name} model; default: a tiny one")
    parser.add_argument("--router", metavar="DIR", help="a trained router; default: a rule")
    parser.add_argument("--only-serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    out: Path = given.out
    if given.only_serve:
        serve(given.edge, given.cloud, out, given.router)
        return
    store, squares = out / "store", draw_queries(out / "squares")
    with ExitStack() as stack:
        endpoints = {}
        for tier, (name, width, layers) in TIERS.items():
            if not (endpoint := getattr(given, tier)):
                folder = out / "models" / name
                if not (folder / "config.json").is_file():
                    build = [HERE.parent / "local_pair" / "tiny_vlm.py", folder, "--width", width, "--layers", layers]
                    subprocess.run([sys.executable, *map(str, build)], check=True)
                endpoint = f"{name}@{stack.enter_context(served(folder))}"
            endpoints[tier] = endpoint
        url = stack.enter_context(serving(endpoints["edge"], endpoints["cloud"], store, given.router))
        ask(url, squares)
        wait_for_shadows(store)
    small, large = (endpoint.split("@http")[0] for endpoint in endpoints.values())
    run("rsd_bench", "data", "import", "served", store, "--reference", large)
    run("rsd_bench", "judge", store, "--judge", "exact-match")
    recipe = out / "recipe.toml"
    recipe.write_text(f'name = "served-pair"\npair = {{ small = {json.dumps(small)}, large = {json.dumps(large)} }}\n')
    run("rsd_bench", "data", "build", recipe, "--store", store, "--out", out / "dataset")
    run("rsd_bench", "data", "check", out / "dataset")


if __name__ == "__main__":
    main()
