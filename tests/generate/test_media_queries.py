"""Queries with several images, sounds, or none on their way to a model and into the store.

Guards against a question that is asked without the half of its pictures, a query that vanishes from the outcomes
because nobody could be asked, and a text-only model that is missing instead of bad.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from chat_server import Loopback
from conftest import RECIPE, Records, call_cli
from mixed_media import MP3, WAV, mixed_dataset, mixed_records

import rsd_bench as rsd
from rsd_bench.generate.queries import bring_queries
from rsd_bench.sources.store.store_tables import rows_of
from rsd_bench.types import InputError

UNSENT = {
    4: "audio is FLAC, not WAV or MP3",
    5: "video cannot be sent",
    6: "video not available",
    7: "image not available",
}


def uri(data: bytes) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": "data:image/png;base64," + base64.b64encode(data).decode()}}


def sound(data: bytes, kind: str) -> dict[str, Any]:
    return {"type": "input_audio", "input_audio": {"data": base64.b64encode(data).decode(), "format": kind}}


def generate(server: Loopback, queries: object, store: Path, *models: str, code: int = 0) -> dict[str, Any]:
    named = [part for model in models for part in ("--model", f"{model}@{server.url}")]
    run = call_cli("generate", queries, *named, "--out", store, "--json")
    assert run.returncode == code, run.stderr + run.stdout
    return json.loads(run.stdout)


def outcomes(store: Path, model: str) -> pd.DataFrame:
    table = pd.DataFrame(rows_of(store, "toy", "responses"))
    return table[table["model"] == model].set_index("query_id")


def test_every_query_is_sent_whole_or_not_at_all(tmp_path: Path) -> None:
    records, store = mixed_records(tmp_path / "toy"), tmp_path / "store"
    images = records.images
    with Loopback() as server:
        said = generate(server, records.write(), store, "tiny")
        sent = {content if isinstance(content, str) else content[-1]["text"]: content for _, content in server.sent()}
        assert said["models"] == {"tiny": {"ok": 6, "unsent": 4}} and said["ok"]
        assert said["unsent"] == dict.fromkeys(UNSENT.values(), 1)
        asks = {i: records.queries[i]["question"] for i in range(10)}
        expected = {
            0: [uri(images[f"images/{i}.png"]) for i in (2, 1, 3)],
            1: [sound(WAV, "wav")],
            2: [uri(images["images/2.png"]), sound(MP3, "mp3"), sound(WAV, "wav")],
            8: [uri(images["images/8.png"])],
            9: [uri(images["images/9.png"])],
        }
        assert sent == {
            **{asks[i]: [*parts, {"type": "text", "text": asks[i]}] for i, parts in expected.items()},
            asks[3]: asks[3],
        }
        again = generate(server, store, store, "tiny")
        assert (again["calls"], server.stats()["requests"]) == (0, 6)
    table = outcomes(store, "tiny")
    assert len(table) == 10
    for i in range(10):
        row = table.loc[f"toy/{i}"]
        assert row["status"] == ("unsent" if i in UNSENT else "unscored")
        assert row["detail"] == UNSENT[i] if i in UNSENT else pd.isna(row["detail"])
    assert table[table["status"] == "unsent"][["response", "score", "latency_s", "cost_usd"]].isna().all(axis=None)


def test_people_are_told_why(tmp_path: Path) -> None:
    with Loopback() as server:
        queries = mixed_records(tmp_path / "toy").write()
        run = call_cli("generate", queries, "--model", f"blind-deaf@{server.url}", "--out", tmp_path / "store")
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert [line for line in lines if line.startswith("unsent")] == [f"unsent    1: {why}" for why in UNSENT.values()]
    assert any(line.startswith("last error of blind-deaf: HTTP ") and "not support" in line for line in lines)
    head, row = (line.split() for line in lines[1:3])
    assert dict(zip(head, row, strict=True)) == {
        "model": "blind-deaf", "queries": "10", "ok": "1", "unsupported": "5", "unsent": "4",
    }  # fmt: skip


def test_what_a_call_took_is_filed(tmp_path: Path) -> None:
    (tmp_path / "prices.toml").write_text('date = "2026-11-24"\n[models.tiny]\ninput = 1\noutput = 10\n')
    with Loopback(latency=0.05) as server:
        queries, store = Records(tmp_path / "toy", n=2, models=()).write(), tmp_path / "store"
        prices = ("--prices", tmp_path / "prices.toml")
        assert call_cli("generate", queries, "--model", f"tiny@{server.url}", "--out", store, *prices).returncode == 0
    table = outcomes(store, "tiny")
    assert table["cost_usd"].tolist() == pytest.approx([200e-6] * 2)
    assert ((table["first_token_s"] > 0.04) & (table["first_token_s"] <= table["latency_s"])).all()


def test_a_text_only_model_is_bad_at_pictures_and_not_missing(tmp_path: Path) -> None:
    queries, store = Records(tmp_path / "toy", n=60, models=()).write(), tmp_path / "store"
    with Loopback() as server:
        said = generate(server, queries, store, "blind", "huge")
        assert said["models"] == {"blind": {"unsupported": 60}, "huge": {"ok": 60}}
        assert call_cli("judge", store, "--judge", "exact-match").returncode == 0
        blind, huge = outcomes(store, "blind"), outcomes(store, "huge")
        assert set(blind["score"]) == {0.0} and set(blind["status"]) == {"unsupported"} and blind["judge"].isna().all()
        assert set(huge["score"]) == {10.0} and set(huge["status"]) == {"ok"}
        (info,) = store.glob("sources/*/source.json")
        assert json.loads(info.read_text())["score_rule"].startswith("scored live by ")
        (tmp_path / "recipe.toml").write_text(RECIPE.replace("tiny", "blind"))
        built = call_cli("data", "build", tmp_path / "recipe.toml", "--store", store, "--out", tmp_path / "ds")
        assert built.returncode == 0, built.stderr
        manifest = json.loads((tmp_path / "ds" / "manifest.json").read_text())
        assert manifest["missing"] == [] and manifest["latency_basis"] == {"measured": 60}
        for mes in (1, 10):
            parts = rsd.load(tmp_path / "ds", mes=mes)
            assert Counter(label for part in parts.values() for label in part["label"]) == {0: 60}  # all to the cloud
        down = ("--model", "blind@http://127.0.0.1:9/v1", "--attempts", 1, "--out", store)
        for asked in ((), ("--param", "seed=1")):  # a server that is down says nothing of what its model takes
            assert call_cli("generate", store, *down, *asked).returncode == 1
            assert set(outcomes(store, "blind")["status"]) == {"unsupported"}
        server.mend()
        again = generate(server, store, store, "blind")
        assert again["models"] == {"blind": {"ok": 60}}
    assert set(outcomes(store, "blind")["status"]) == {"unscored"} and outcomes(store, "blind")["score"].isna().all()


def test_media_that_come_later_are_sent_then(tmp_path: Path) -> None:
    records, store = Records(tmp_path / "toy", n=3, models=("published",)), tmp_path / "store"
    whole = records.queries[0]
    records.queries[0] = whole | {"image": None, "modality": "image", "media_available": False}
    del records.queries[0]["image"]
    with Loopback() as server:
        assert generate(server, records.write(), store, "tiny")["models"] == {"tiny": {"ok": 2, "unsent": 1}}
        records.queries[0] = whole
        assert call_cli("data", "import", "records", records.write(), "--out", store).returncode == 0
        assert generate(server, store, store, "tiny")["models"] == {"tiny": {"ok": 3}}
    assert set(outcomes(store, "tiny")["status"]) == {"unscored"}


def test_a_damaged_sound_is_an_error_of_its_query(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with Loopback() as server:
        queries = mixed_records(tmp_path / "toy").write()
        bring_queries(str(queries), store)
        (row,) = (row for row in rows_of(store, "toy", "queries") if row["query_id"] == "toy/1")
        sha256 = row["media"][0]["sha256"]
        (store / "media" / sha256[:2] / sha256).write_bytes(WAV[:-1])
        said = generate(server, store, store, "tiny", code=1)
        assert said["models"]["tiny"] == {"ok": 4, "unsent": 4, "error": 2}
    assert "its bytes are not those" in outcomes(store, "tiny").loc["toy/1", "detail"]


def test_queries_of_a_dataset_come_with_all_their_media(toy_dataset: Path, tmp_path: Path) -> None:
    folder, store = mixed_dataset(tmp_path / "mixed"), tmp_path / "store"
    assert bring_queries(str(folder), store) == ["toy"]
    held = list(rows_of(store, "toy", "queries"))
    kinds = Counter(tuple(item["kind"] for item in row["media"]) for row in held)
    assert kinds.keys() == {("image",), ("image",) * 3, ("audio",)} and sum(kinds.values()) == 300
    assert {row["modality"] for row in held} == {"image", "audio"}
    for same in (store, folder.parent / "store"):  # and in the store that it was built from
        assert bring_queries(str(folder), same) == ["toy"]
    with pytest.raises(InputError, match="differs from that in"):
        bring_queries(str(toy_dataset), store)


def test_records_say_which_model_takes_no_medium(tmp_path: Path) -> None:
    records, store = Records(tmp_path / "toy", n=4, models=("tiny", "huge")), tmp_path / "store"
    told = [("unsupported", None), ("unsupported", 0), ("unsent", None), ("ok", 7)]
    for row, (status, score) in zip(records.responses, told, strict=False):
        row.update(status=status, score=score)
    assert call_cli("data", "import", "records", records.write(), "--out", store).returncode == 0
    table = outcomes(store, "tiny")
    assert table["status"].tolist() == ["unsupported", "unsupported", "unsent", "ok"]
    assert table["score"].tolist()[:2] == [0.0, 0.0] and pd.isna(table["score"].iloc[2])
    before = table.to_dict()
    assert call_cli("data", "import", "records", records.write(), "--out", store).returncode == 0
    assert repr(outcomes(store, "tiny").to_dict()) == repr(before)
    records.responses[0]["score"] = 3
    run = call_cli("data", "import", "records", records.write(), "--out", store)
    assert run.returncode == 1 and "status 'unsupported' with score 3" in run.stderr
