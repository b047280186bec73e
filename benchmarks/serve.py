"""What the server adds to a call, what it sustains, and what it keeps in memory, against an upstream of fixed latency.

    python benchmarks/serve.py [--seconds 20] [--requests 50000] [--idle 1000] [--router DIR]

Three processes: an endpoint that answers after 50 ms (`tests/support/chat_server.py`), the server, and this one, which
asks. Prints JSON. Overhead: at 100 requests a second, as many more straight to the endpoint, so that both meet the same
machine; the difference of their p50 and of their p99 in milliseconds. Sustained: answers a second of as many callers as
it takes, their failures, and the CPU time that an answer costs the server. Memory: of the server after a tenth of the
requests and after all. Idle: streams that have begun and say nothing, held at once. Without --router, decisions are
made by a router that computes the text statistics of its question.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))
from chat_server import Loopback

LATENCY_S = 0.05
_RATE = 100
_CALLERS = 32
_HOLD_S = 5.0


class Stand:
    """A router of a hundredth of a millisecond: half of all questions stay on the edge."""

    scenario = None

    def route(self, image: Any, question: str, scenario: Any = None) -> Any:
        from rsd_bench.dataset.query_statistics import text_statistics

        assert text_statistics(question)
        p = 0.1 if zlib.crc32(question.encode()) % 2 else 0.9
        return SimpleNamespace(model="edge" if p > 0.5 else "cloud", p_edge=p, tau=0.5)


def run_server(edge: str, cloud: str, quiet: str, router: str) -> None:
    """The server process: prints its port, ends with its stdin."""
    from rsd_bench.routers.pipeline import load_router
    from rsd_bench.serve.app import make_app
    from rsd_bench.serve.deciding import loaded
    from rsd_bench.serve.listening import listen, run
    from rsd_bench.serve.settings import read_settings

    given = {
        "edge": edge,
        "cloud": cloud,
        "tier": (quiet,),
        "router": (router or "stand",),
        "port": 0,
        "concurrency": 4096,
    }
    settings = read_settings(None, given)
    app = make_app(settings, [loaded(load_router(router) if router else Stand())])
    with listen(settings) as on:
        print(on.getsockname()[1], flush=True)
        threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
        run(app, on)


class Quiet:
    """An endpoint whose streams say one word and then nothing."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        event = b'data: {"id":"x","choices":[{"index":0,"delta":{"content":"Well"},"finish_reason":null}]}\n\n'
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        writer.write(head + b"%x\r\n%s\r\n" % (len(event), event))
        with suppress(OSError, asyncio.CancelledError):
            await reader.read()
        writer.close()


def body(n: int, **more: Any) -> dict[str, Any]:
    return {"model": "rsd", "messages": [{"role": "user", "content": f"How many things are in picture {n}?"}], **more}


async def ask(session: aiohttp.ClientSession, url: str, sent: dict[str, Any]) -> float:
    """Seconds of a call; infinite where it failed."""
    start = time.perf_counter()
    try:
        async with session.post(f"{url}/chat/completions", json=sent) as reply:
            good = reply.status == 200 and (await reply.json())["choices"]
    except (aiohttp.ClientError, OSError, ValueError):
        good = False
    return time.perf_counter() - start if good else float("inf")


async def overhead(server: str, direct: str, seconds: float) -> dict[str, Any]:
    """Both ways in turn, each at `_RATE` a second, sent at their times whatever the answers do."""
    took: dict[str, list[float]] = {"served": [], "direct": []}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        start = time.perf_counter()

        async def one(way: str, url: str, at: float, n: int) -> None:
            await asyncio.sleep(start + at - time.perf_counter())
            took[way].append(await ask(session, url, body(n, model="rsd" if way == "served" else "small")))

        tasks = []
        for n in range(int(_RATE * seconds)):
            tasks.append(asyncio.ensure_future(one("served", server, n / _RATE, n)))
            tasks.append(asyncio.ensure_future(one("direct", direct, (n + 0.5) / _RATE, n)))
        await asyncio.gather(*tasks)

    def at(way: str, share: float) -> float:
        settled = sorted(took[way][_RATE:])  # without the first second: connections are made
        return 1e3 * settled[int(share * (len(settled) - 1))]

    found = {f"{way}_{name}_ms": round(at(way, share), 2) for way in took for name, share in QUANTILES}
    found |= {f"overhead_{name}_ms": round(at("served", s) - at("direct", s), 2) for name, s in QUANTILES}
    return found | {"lost": sum(one == float("inf") for one in took["served"])}


QUANTILES = (("p50", 0.5), ("p99", 0.99))


async def sustained(server: str, requests: int, pid: int) -> dict[str, Any]:
    """As many as `_CALLERS` get through, and what the server's memory does meanwhile."""
    numbers, early, lost = iter(range(requests)), 0.0, 0
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def caller() -> None:
            nonlocal early, lost
            for n in numbers:
                lost += await ask(session, server, body(n)) == float("inf")
                if n == requests // 10:
                    early = memory_mb(pid)

        start, spent = time.perf_counter(), cpu_s(pid)
        await asyncio.gather(*(caller() for _ in range(_CALLERS)))
        rate, spent = requests / (time.perf_counter() - start), cpu_s(pid) - spent
    return {
        "requests": requests,
        "rate": round(rate, 1),
        "server_cpu_ms_a_request": round(1e3 * spent / requests, 3),
        "lost": lost,
        "memory_mb_at_a_tenth": early,
        "memory_mb": memory_mb(pid),
    }


async def idle(server: str, streams: int, pid: int) -> dict[str, Any]:
    """Streams that have begun, held at once; and whether the server answers others meanwhile."""
    before, sent = memory_mb(pid), body(0, model="quiet", stream=True)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:

        async def one() -> Any:
            reply = await session.post(f"{server}/chat/completions", json=sent)
            await reply.content.readany()
            return reply

        replies = await asyncio.gather(*(one() for _ in range(streams)))
        await asyncio.sleep(_HOLD_S)
        held = sum(not reply.content.at_eof() and reply.status == 200 for reply in replies)
        found = {"streams": streams, "held": held, "memory_mb_more": round(memory_mb(pid) - before, 1)}
        found["answers_meanwhile"] = await ask(session, server, body(1)) < 1
        for reply in replies:
            reply.close()
    return found


def memory_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    return round(next(int(row.split()[1]) for row in status if row.startswith("VmRSS")) / 1024, 1)


@contextmanager
def open_server(direct: str, quiet: str, router: str) -> Iterator[tuple[str, int]]:
    """Its URL and process id."""
    models = [f"small@{direct}", f"huge@{direct}", f"quiet@{quiet}"]
    command = [sys.executable, __file__, "--serve", *models, "--router", router]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin and process.stdout
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1", process.pid
        finally:
            process.stdin.close()


def cpu_s(pid: int) -> float:
    """CPU seconds of a process so far."""
    figures = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(figures[11]) + int(figures[12])) / os.sysconf("SC_CLK_TCK")


async def measure(given: argparse.Namespace, direct: str) -> dict[str, Any]:
    quiet = await asyncio.start_server(Quiet().serve, "127.0.0.1", 0, backlog=4096)
    place = f"http://127.0.0.1:{quiet.sockets[0].getsockname()[1]}/v1"
    with open_server(direct, place, given.router) as (server, pid):
        return {
            "overhead": await overhead(server, direct, given.seconds),
            "sustained": await sustained(server, given.requests, pid),
            "idle": await idle(server, given.idle, pid),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--requests", type=int, default=50_000)
    parser.add_argument("--idle", type=int, default=1_000)
    parser.add_argument("--router", default="")
    parser.add_argument("--serve", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        run_server(*given.serve, given.router)
        return
    with Loopback(LATENCY_S) as endpoint:
        print(json.dumps(asyncio.run(measure(given, endpoint.url)), indent=1))


if __name__ == "__main__":
    main()
