"""Two stand-ins for models on one port, so that a router can be seen at work where there is neither a GPU nor a key.

    python examples/serve/two_models.py [PORT]

Whatever model a chat completion names answers "MODEL was asked: QUESTION". `rsd-bench serve` takes your own instead.
"""

from __future__ import annotations

import json
import sys
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Stands(BaseHTTPRequestHandler):
    """One answer, whole or as a stream of words."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        content = asked["messages"][-1]["content"]
        text = content if isinstance(content, str) else " ".join(part.get("text", "[image]") for part in content)
        words = f"{asked['model']} was asked: {text}".split(" ")
        name = f"chatcmpl-{uuid.uuid4().hex}"
        if not asked.get("stream"):
            message = {"role": "assistant", "content": " ".join(words)}
            usage = {"prompt_tokens": len(text.split()), "completion_tokens": len(words), "total_tokens": 0}
            self._send("application/json", json.dumps(reply(asked, name, message=message) | {"usage": usage}))
            return
        parts = [reply(asked, name, chunk=True, delta={"content": f"{word} "}) for word in words]
        parts.append(reply(asked, name, chunk=True, delta={}, finish_reason="stop"))
        self._send("text/event-stream", "".join(f"data: {part}\n\n" for part in [*map(json.dumps, parts), "[DONE]"]))

    def _send(self, kind: str, body: str) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        pass


def reply(asked: dict[str, Any], name: str, chunk: bool = False, **choice: Any) -> dict[str, Any]:
    """A chat completion, or a chunk of one. name: of this answer alone."""
    kind = "chat.completion.chunk" if chunk else "chat.completion"
    head = {"id": name, "object": kind, "created": int(time.time()), "model": asked["model"]}
    return {**head, "choices": [{"index": 0, "finish_reason": None if chunk else "stop", **choice}]}


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8001
    print(f"http://127.0.0.1:{port}/v1", flush=True)
    with ThreadingHTTPServer(("127.0.0.1", port), Stands) as server:
        server.serve_forever()
