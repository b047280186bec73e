"""The media of a request, in whatever part, turn and spelling: looked at before anybody is asked.

Guards against a bound or a look at an address that holds for one form of a part only, and against one text that holds
up everybody.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.request import urlopen

import pytest
from conftest import png

pytest.importorskip("starlette")

from serving import FakeTier, Fixed, Server, serving
from test_hostile import bomb, image_message, post, uri

from rsd_bench.config import MAX_ROUTED_TEXT
from rsd_bench.serve.asked import read_asked
from rsd_bench.serve.failures import Refused
from rsd_bench.serve.places import is_public, require_public

INSIDE = "http://127.0.0.1/"
TEXT = {"type": "text", "text": "easy"}


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[FakeTier, FakeTier]]:
    with FakeTier("small") as edge, FakeTier("large") as cloud:
        yield edge, cloud


@pytest.fixture(scope="module")
def server(pair: tuple[FakeTier, FakeTier]) -> Iterator[Server]:
    with serving(*pair) as one:
        yield one


def asking(*parts: Any, before: Any = None, model: str = "rsd") -> dict[str, Any]:
    turns = [{"role": "user", "content": [before]}, {"role": "assistant", "content": "a"}] if before else []
    return {"model": model, "messages": [*turns, {"role": "user", "content": [TEXT, *parts]}]}


PRIVATE = [
    {"image_url": {"url": INSIDE}},
    {"image_url": INSIDE},
    {"type": "input_image", "image_url": INSIDE},
    {"type": "IMAGE_URL", "image_url": {"url": INSIDE}},
    {"type": ["image_url"], "image_url": {"url": [INSIDE]}},
    {"type": "video_url", "video_url": {"url": "http://169.254.169.254/latest"}},
    {"type": "audio_url", "audio_url": {"url": "file:///etc/passwd"}},
    {"type": "file", "file": {"file_data": INSIDE}},
    {"type": "file", "file_url": INSIDE},
    {"type": "video", "video": ["data:image/png;base64,AA==", "file:///etc/passwd"]},
    {"type": "image", "image": "  File:///etc/passwd"},
    {"type": "image", "imageUrl": INSIDE},
    {"type": "image_url", "image_url": {"url": "http://example.org/", "URL": INSIDE}},
    {"type": "tool_result", "content": [{"type": "image_url", "image_url": {"url": INSIDE}}]},
    {"type": "text", "text": "x", "image_url": {"url": INSIDE}},
]


@pytest.mark.parametrize("part", PRIVATE, ids=[json.dumps(part)[:60] for part in PRIVATE])
def test_a_url_of_any_part_of_any_turn_is_looked_at(
    pair: tuple[FakeTier, FakeTier], server: Server, part: dict[str, Any]
) -> None:
    asked = len(pair[0].seen) + len(pair[1].seen)
    for body in (asking(part), asking(before=part), asking(part, model="large")):
        status, error, _ = post(server, body)
        assert status == 400 and error["error"]["code"] in ("private_address", "invalid_image")
    assert len(pair[0].seen) + len(pair[1].seen) == asked


def test_media_that_name_no_private_place_pass(server: Server) -> None:
    for part in (
        {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,AA==", "filename": "C:\\a: b.pdf"}},
        {"type": "video_url", "video_url": {"url": "https://example.org/a.mp4"}},
        {"type": "thinking", "thinking": "look at http://127.0.0.1/"},
        {"type": "text", "text": "http://127.0.0.1/", "image_url": None},
    ):
        assert post(server, asking(part))[0] == 200, part


@pytest.mark.parametrize(
    "part",
    [
        {"image_url": {"url": "data:image/png;base64,AA=="}},
        {"type": "input_image", "image_url": "data:,x"},
        {"type": "image", "images": ["https://example.org/x"] * 100},
        {"type": "image", "image": "AA=="},
    ],
)
def test_images_of_every_form_are_counted(server: Server, part: dict[str, Any]) -> None:
    status, error, _ = post(server, asking(*[part] * 10_000))
    assert (status, error["error"]["code"]) == (400, "too_many_images")


def test_pixels_are_bounded_in_every_turn_and_for_a_model_by_its_own_name(
    pair: tuple[FakeTier, FakeTier], server: Server
) -> None:
    asked = len(pair[0].seen) + len(pair[1].seen)
    held = {"url": uri(bomb())}
    for part in ({"type": "image_url", "image_url": held}, {"image_url": held}, {"type": "input_image", **held}):
        for body in (asking(part), asking(before=part), asking(part, model="large")):
            if "image_url" not in part:
                body["messages"][0]["content"].append({"type": "input_image", "image_url": held["url"]})
            status, error, _ = post(server, body)
            assert (status, error["error"]["code"]) == (413, "image_too_large")
    assert len(pair[0].seen) + len(pair[1].seen) == asked
    small = {"type": "image_url", "image_url": {"url": uri(png(1))}}
    assert post(server, asking(before=small))[0] == post(server, asking(small, model="large"))[0] == 200


SPELT = [
    "http://127。0。0。1/",
    "http://①②⑦.0.0.1/",
    "http://ⓛocalhost/",
    "http://127.0.0.1\\@example.com/",
    "http:\\\\127.0.0.1/",
    "http://127%2e0%2e0%2e1/",
    "http://exa mple/",
    "http://127.0.0.1 .example/",
    "http://127.0.0.1\t/",
    " http://127.0.0.1/",
    "http:///127.0.0.1/",
    "http://\u0000/",
    "http://a\u0000b.example/",
    "http://[::127.0.0.1]/",
    "http://[::7f00:1]/",
    "http://[::ffff:0:127.0.0.1]/",
    "http://[::1",
    "http://\u200b127.0.0.1/",
]


@pytest.mark.parametrize("url", SPELT, ids=ascii)
def test_a_host_that_can_be_read_in_two_ways_is_refused(server: Server, url: str) -> None:
    with pytest.raises(Refused) as caught:
        require_public(url)
    assert caught.value.status == 400
    assert post(server, image_message(url))[0] == 400


def test_public_places_pass_in_their_plain_form() -> None:
    for url in ("https://xn--mller-kva.de/", "https://example.org/bücher.png?a=%2e b", "https://a:p%40@example.org/x"):
        require_public(url)
    assert not is_public("::127.0.0.1") and not is_public("::ffff:0:10.0.0.1")


def test_a_long_text_holds_up_nobody_and_the_router_reads_its_beginning(pair: tuple[FakeTier, FakeTier]) -> None:
    """A router that is quick for a question, and takes a second for a book."""
    router, threads = Fixed(), list[str]()

    def slow() -> None:
        threads.append(threading.current_thread().name)
        if len(router.asked[-1][1]) > 50_000:
            time.sleep(1)

    with serving(*pair, router) as server:
        router.fail = slow
        for _ in range(60):
            post(server, asking())
        assert not threads[-1].startswith("router"), "questions are decided at once by now"
        body = asking({"type": "text", "text": "word " * (4 << 20)})
        late = threading.Thread(target=post, args=(server, body))
        late.start()
        waits = []
        while late.is_alive():
            start = time.monotonic()
            urlopen(f"{server.url}/healthz", timeout=10).read()
            waits.append(time.monotonic() - start)
            time.sleep(0.02)
        assert max(waits) < 0.7 and threads[-1].startswith("router")
        assert len(router.asked[-1][1]) == MAX_ROUTED_TEXT
        post(server, asking())
        assert not threads[-1].startswith("router"), "one long text says nothing of how long questions take"


def test_what_is_asked_is_whole_whatever_the_router_reads() -> None:
    asked = read_asked(json.dumps(asking({"type": "text", "text": "x" * 200_000})).encode(), {})
    assert len(asked.question) == len("easy\n") + 200_000
