"""An OpenAI-compatible server on 127.0.0.1 that answers, judges, and fails in every way that endpoints do.

    python tests/support/chat_server.py [--latency SECONDS] [--log FILE]    prints its port, ends with its stdin

Answering: "How many things are in picture N?" gets N from a model whose name has "huge" in it, from others only where
N is even. Judging: a system message that grades; the candidate is read between its marks, as a model that follows the
prompt would read it, and gets 10 where it holds the reference as a word, else 2. A judge with "lacking" in its name
leaves the rationale out until GET /mend.

Every model answers as `MODEL-2026-11-01`, but `alias-NAME` as NAME. A model with "blind" in its name refuses pictures
as Ollama does, one with "deaf" sounds as llama.cpp does, until GET /mend.

Failing: a question with `fault=NAME` fails in that way, each time, or with `fault=NAME-once` the first time only. A key
that comes with a request is echoed in error messages, as some proxies do. GET /stats counts requests, deliveries, and
headers that are meant for OpenAI; GET /sent shows the model and last message of the latest requests.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import subprocess
import sys
from collections import Counter, deque
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, ClassVar
from urllib.request import urlopen

_MARKED = re.compile(r"<candidate (?P<code>[0-9a-f]{16})>\n(?P<text>.*)\n</candidate (?P=code)>", re.DOTALL)
_REFERENCE = re.compile(r"Reference answer:\n(?P<text>.*?)\n\nCandidate answer, from", re.DOTALL)
_FAULT = re.compile(r"fault=(\w+)(-once)?")
HANG_S = 3600
_SHOWN = 200  # requests


def text_of(messages: list[dict[str, Any]]) -> str:
    """The text of the last message."""
    content = messages[-1]["content"]
    return content if isinstance(content, str) else " ".join(p["text"] for p in content if p["type"] == "text")


def grade(user: str) -> dict[str, Any]:
    """The verdict of a judge that follows the schema and reads only what stands between the marks."""
    candidate = _MARKED.search(user)["text"]
    reference = _REFERENCE.search(user)["text"]
    right = re.search(rf"(?<!\w){re.escape(reference)}(?!\w)", candidate) is not None
    return {"rationale": f"The candidate says: {candidate}", "score": 10 if right else 2}


class Server(asyncio.Protocol):
    """One connection."""

    latency = 0.0
    log: Any = None
    seen: ClassVar[Counter[str]] = Counter()
    stats: ClassVar[Counter[str]] = Counter()
    sent: ClassVar[deque[Any]] = deque(maxlen=_SHOWN)
    numbers: ClassVar[Iterator[int]] = count()
    mended: ClassVar[bool] = False

    def connection_made(self, transport: Any) -> None:
        self.transport, self.buffer, self.due, self.outbox = transport, b"", 0.0, []

    def data_received(self, data: bytes) -> None:
        if not self.buffer:
            self.due = asyncio.get_running_loop().time() + self.latency
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end].decode("latin-1")
            length = re.search(r"(?i)\r\ncontent-length: *(\d+)", head)
            size = int(length[1]) if length else 0
            if len(self.buffer) < end + 4 + size:
                return
            body, self.buffer = self.buffer[end + 4 : end + 4 + size], self.buffer[end + 4 + size :]
            if head.startswith("GET"):
                self.due = 0.0
                Server.mended = Server.mended or head.startswith("GET /v1/mend ")
                shown = list(self.sent) if head.startswith("GET /v1/sent ") else self.stats
                self.send(200, json.dumps(shown).encode())
            else:
                self.stats["requests"] += 1
                self.stats["headers for OpenAI"] += len(re.findall(r"(?i)\r\n(?:openai-|x-own)", head))
                self.respond(head, json.loads(body))

    def when_due(self, do: Any, *arguments: Any) -> None:
        """Do it `latency` after the first byte of the request: what is to be sent is made while that time passes."""
        self.outbox.append((do, arguments))
        asyncio.get_running_loop().call_at(self.due, self.flush)

    def flush(self) -> None:
        outbox, self.outbox = self.outbox, []
        for do, arguments in outbox:
            do(*arguments)

    def respond(self, head: str, request: dict[str, Any]) -> None:
        messages, model = request["messages"], request["model"]
        user, stream = text_of(messages), request.get("stream", False)
        self.sent.append([model, messages[-1]["content"]])
        if refusal := self.cannot(model, messages):
            self.send(*refusal)
            return
        identity = json.dumps([model, messages])
        self.seen[identity] += 1
        fault = _FAULT.search(user)
        authorization = re.search(r"(?i)\r\nauthorization: *([^\r]*)", head)
        if fault and (not fault[2] or self.seen[identity] == 1):
            self.stats[f"fault {fault[1]}"] += 1
            self.fail(fault[1], stream, f"bad request with {authorization[1] if authorization else 'no key'}")
            return
        if messages[0]["role"] == "system" and "grade" in messages[0]["content"]:
            text = self.judge(model, messages, user, self.seen[identity])
        else:
            text = self.answer(model, user)
        self.deliver(model, text, stream, user=user)

    def cannot(self, model: str, messages: list[dict[str, Any]]) -> tuple[int, bytes] | None:
        """Status and body with which a model refuses media that it does not take."""
        content = messages[-1]["content"]
        kinds = {part["type"] for part in content} if isinstance(content, list) and not self.mended else set()
        if "blind" in model and "image_url" in kinds:
            return 400, b'{"error":"this model does not support image input"}'
        if "deaf" in model and "input_audio" in kinds:
            return 500, b'{"error":{"code":500,"message":"audio input is not supported - hint: provide the mmproj"}}'
        return None

    def served(self, model: str) -> str:
        return model.removeprefix("alias-") if model.startswith("alias-") else f"{model}-2026-11-01"

    def answer(self, model: str, user: str) -> str:
        number = re.search(r"picture (\d+)", user)
        if not number:
            return f"An answer to: {user}"
        right = "huge" in model or int(number[1]) % 2 == 0
        return f"Answer: {number[1]}" if right else "Answer: none that I can see"

    def judge(self, model: str, messages: list[dict[str, Any]], user: str, times: int) -> str:
        original = text_of(messages[:2])
        verdict = grade(original)
        if "lacking" in model and not self.mended:
            del verdict["rationale"]
        if "noisy" in model:
            verdict["score"] = max(0, verdict["score"] - times % 3)
        if "garbage" in model or ("chatty" in model and len(messages) == 2):
            return f"I think this deserves a {verdict['score']}/10. {verdict['rationale']}"
        if "fenced" in model:
            return f"```json\n{json.dumps(verdict)}\n```"
        return json.dumps(verdict)

    def deliver(
        self, model: str, text: str, stream: bool, user: str = "", finish: str = "stop", **message: Any
    ) -> None:
        usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
        base = {"id": f"chatcmpl-{next(self.numbers)}", "created": 1, "model": self.served(model)}
        if stream:
            middle = len(text) // 2
            chunks = [{"role": "assistant", "content": ""}, {"content": text[:middle]}, {"content": text[middle:]}]
            events = [{"choices": [{"index": 0, "delta": d, "finish_reason": None}]} for d in (*chunks, message)]
            events += [
                {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]},
                {"choices": [], "usage": usage},
            ]
            lines = [b"data: " + json.dumps({**base, **event}).encode() + b"\n\n" for event in events]
            self.send_chunks([*lines, b"data: [DONE]\n\n"])
        else:
            choice = {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": finish}
            self.send(200, json.dumps({**base, "choices": [choice], "usage": usage}).encode())
        self.when_due(self.delivered, model, user)

    def delivered(self, model: str, user: str) -> None:
        self.stats["delivered"] += 1
        if self.log:
            self.log.write(json.dumps([model, user]) + "\n")
            self.log.flush()

    def send(self, status: int, body: bytes, kind: str = "application/json", *headers: str) -> None:
        lines = [f"HTTP/1.1 {status} X", f"content-type: {kind}", f"content-length: {len(body)}", *headers, "", ""]
        self.when_due(self.transport.write, "\r\n".join(lines).encode() + body)

    def send_chunks(self, chunks: list[bytes], end: bytes = b"0\r\n\r\n") -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        body = b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in chunks)
        self.when_due(self.transport.write, head + body + end)

    def fail(self, kind: str, stream: bool, message: str) -> None:
        error = json.dumps({"error": {"message": message, "code": None}}).encode()
        if kind == "429":
            self.send(429, error, "application/json", "retry-after: 1")
        elif kind == "429long":
            self.send(429, error, "application/json", "retry-after: 86400")
        elif kind == "301":
            self.send(301, b"", "text/plain", "location: http://user:secret@127.0.0.1:9/v2/chat?key=secret")
        elif kind.isdigit():
            self.send(int(kind), error)
        elif kind == "hang":
            asyncio.get_running_loop().call_later(HANG_S, self.transport.close)
        elif kind == "cut":
            if stream:
                self.send_chunks([b'data: {"choices":[{"index":0,"delta":{"content":"The ans'], end=b"")
            else:
                self.when_due(self.transport.write, b'HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{"choices":[{"mess')
            self.when_due(self.transport.close)
        elif kind == "stop":  # a stream that ends in good order without a finish reason
            self.send_chunks([b'data: {"choices":[{"index":0,"delta":{"content":"half an ans"}}]}\n\n'])
        elif kind == "drop":
            self.when_due(self.transport.close)
        elif kind == "noise":  # not HTTP at all
            self.when_due(self.transport.write, b"\x00\xff SSH-2.0-nothing like it\r\n\r\n")
            self.when_due(self.transport.close)
        elif kind == "json":
            self.send(200, b'{"choices": [{"message": {"content": "half')
        elif kind == "html":
            self.send(200, b"<html>502 Bad Gateway</html>", "text/html")
        elif kind == "empty":
            self.deliver("m", "", stream)
        elif kind == "refusal":
            self.deliver("m", "", stream, refusal="I cannot help with that.")
        elif kind == "filter":
            self.deliver("m", "", stream, finish="content_filter")
        elif kind == "filter400":
            self.send(400, json.dumps({"error": {"message": "filtered", "code": "content_filter"}}).encode())
        elif kind in ("length", "max_tokens"):
            self.deliver("m", "It is a long st", stream, finish=kind)
        elif kind in ("abort", "SAFETY"):  # half a text: the server broke off, a filter did
            self.deliver("m", "half an ans", stream, finish=kind)
        elif kind == "event" and stream:  # an error that only the type of the event tells
            half = b'data: {"choices":[{"index":0,"delta":{"content":"half"}}]}\n\n'
            self.send_chunks([half, b'event: error\ndata: {"message":"overloaded"}\n\n', b"data: [DONE]\n\n"])
        elif kind == "event":
            self.send(200, error)
        elif kind == "echo":
            self.deliver(message, message, stream)
        elif kind == "echolong":  # the key stands where a detail of 500 characters ends
            self.send(400, json.dumps({"error": {"message": "y" * 455 + message}}).encode())
        elif kind == "surrogate":
            self.deliver("m\ud800", "half \ud83d of a pair, and \0", stream)
        elif kind == "list":
            self.send(200, json.dumps({"choices": [{"message": {"content": ["x"]}, "finish_reason": "stop"}]}).encode())
        elif kind == "error200":
            self.send(200, error)
        else:
            raise ValueError(kind)


async def serve(latency: float, log: Path | None) -> None:
    Server.latency, Server.log = latency, log.open("a") if log else None
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 - the contract of this process
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)  # the parent's end closes when it is gone


class Loopback:
    """The server as a process of its own; use as a context manager."""

    def __init__(self, latency: float = 0.0, log: Path | None = None) -> None:
        command = [sys.executable, __file__, "--latency", str(latency), *(["--log", str(log)] if log else [])]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}/v1"

    def stats(self) -> dict[str, int]:
        with urlopen(f"{self.url}/stats", timeout=10) as reply:
            return json.load(reply)

    def sent(self) -> list[tuple[str, Any]]:
        """Model and last message of each request so far."""
        with urlopen(f"{self.url}/sent", timeout=10) as reply:
            return [tuple(entry) for entry in json.load(reply)]

    def mend(self) -> None:
        """From here on a judge whose name has "lacking" in it leaves nothing out, and every model sees and hears."""
        with urlopen(f"{self.url}/mend", timeout=10):
            pass

    def __enter__(self) -> Loopback:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--log", type=Path)
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.latency, arguments.log))
