"""A card that disagrees with its files misleads everyone who trusts it (datasets#7600, #7777). Here every figure of the
card is counted again from the files, every document is checked against the manifest, and equal builds give equal bytes.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from conftest import RECIPE, run_cli
from huggingface_hub import DatasetCard
from markdown_it import MarkdownIt
from toy_builds import list_files_again

from rsd_bench.build import dataset_card
from rsd_bench.build.card_facts import card_facts, column_meaning
from rsd_bench.build.dataset_card import write_documents
from rsd_bench.build.recipe import read_recipe
from rsd_bench.config import SCENARIOS
from rsd_bench.dataset import check_repository
from rsd_bench.dataset.check_dataset import check_dataset
from rsd_bench.dataset.layout import PICTURES, arrow_schema, card_configs, splits_schema
from rsd_bench.dataset.manifest import read_manifest, to_bytes
from rsd_bench.types import InputError

DOCUMENTS = ("README.md", "croissant.json", "eval.yaml", *PICTURES)


@pytest.fixture
def folder(toy_dataset: Path, tmp_path: Path) -> Path:
    """A copy to change."""
    return Path(shutil.copytree(toy_dataset, tmp_path / "dataset"))


def pairs_of(folder: Path) -> pd.DataFrame:
    return pd.concat(
        pd.read_parquet(path).assign(file=path.name.split("-")[0]) for path in sorted((folder / "pairs").iterdir())
    )


def test_documents_are_a_pure_function_of_tables_and_manifest(folder: Path) -> None:
    before = {name: (folder / name).read_bytes() for name in (*DOCUMENTS, "manifest.json")}
    manifest = read_manifest(folder)
    for name in before:
        (folder / name).unlink()
    write_documents(folder, manifest)
    assert {name: (folder / name).read_bytes() for name in before} == before
    assert not any(b"Matplotlib" in before[name] for name in PICTURES)


def test_every_figure_of_the_card_is_that_of_the_files(toy_dataset: Path) -> None:
    card, pairs = (toy_dataset / "README.md").read_text("utf-8"), pairs_of(toy_dataset)
    for domain, part in pairs.groupby("domain"):
        counts = [int((part["file"] == split).sum()) for split in ("train", "validation", "test")]
        assert f"| {domain} | {counts[0]} | {counts[1]} | {counts[2]} | {len(part)} |" in card
    for name, part in (("all", pairs), *pairs.groupby("domain")):
        rates = " | ".join(f"{part[f'label_mes_{mes}'].mean():.3f}" for mes in range(1, 11))
        assert f"| {name} | {rates} |" in card
    assert f"| `toy` | a test | 2 | {2 * len(pairs)} | not published | - |" in card
    assert read_manifest(toy_dataset).canary in card


def test_an_audit_of_the_judge_is_shown_where_there_is_one(folder: Path) -> None:
    card = folder / "README.md"
    assert "### Label noise" not in card.read_text("utf-8")
    audit = {"queries": 40, "sources": ["toy"], "all": {"1": 0.125, "2": 0.25}, "near": {"1": 0.5, "2": None}}
    write_documents(folder, replace(read_manifest(folder), flip_prob=audit))
    assert "| 1 | 0.1250 | 0.5000 |\n| 2 | 0.2500 |  |" in card.read_text("utf-8")
    assert check_dataset(folder) == []


def test_yaml_of_the_card_is_what_the_hub_reads(toy_dataset: Path) -> None:
    data = DatasetCard.load(toy_dataset / "README.md").data.to_dict()
    files = read_manifest(toy_dataset).files
    assert data["configs"] == card_configs(files=files)
    assert data["size_categories"] == ["n<1K"]
    assert (data["license"], data["license_name"], data["language"]) == ("other", "by-source", ["en"])
    assert "judgments" not in {config["config_name"] for config in data["configs"]}, "toy has no judge call"
    every = {config["config_name"] for config in card_configs()}
    assert {"pairs", "mes-1", "mes-10", "outcomes", "judgments", "splits"} <= every


@pytest.mark.parametrize("table", ["pairs", "outcomes", "judgments"])
def test_every_column_is_explained(table: str) -> None:
    for name in arrow_schema(table).names:
        assert column_meaning(table, name), f"{table}.{name}: say it in dataset_cards/columns.toml"
    for name in splits_schema(["leave-chart-out"]).names:
        assert column_meaning("splits", name)


def test_words_of_a_recipe_replace_the_shipped_ones(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    plain = read_recipe(path)
    path.write_text(RECIPE + '[card]\ncontact = "ada@example.org"\nbiases = ["one", "two"]\n')
    worded = read_recipe(path)
    assert worded.sha256 == plain.sha256, "words change no data"
    facts = card_facts(worded.card)
    assert (facts["contact"], facts["biases"]) == ("ada@example.org", ["one", "two"])
    assert facts["uses"] == card_facts()["uses"]
    path.write_text(RECIPE + "[card]\ncontract = 1\nuses = 'x'\ncontact = ['y']\n")
    with pytest.raises(InputError) as error:
        read_recipe(path)
    assert len(error.value.problems) == 3


def test_croissant_is_valid_and_its_record_sets_load_rows(toy_dataset: Path, tmp_path: Path) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    path = toy_dataset / "croissant.json"
    run = subprocess.run(
        [str(Path(sys.executable).parent / "mlcroissant"), "validate", "--jsonld", str(path)],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert "error" not in run.stderr.lower()
    data = mlcroissant.Dataset(jsonld=str(path))
    for name in ("pairs/train", "outcomes/test", "splits/validation"):
        table, split = name.split("/")
        local = pq.read_table(next((toy_dataset / table).glob(f"{split}-*"))).to_pylist()
        rows = list(data.records(name))
        assert [row[f"{name}/query_id"].decode() for row in rows] == [row["query_id"] for row in local]
        if table == "pairs":
            assert [row[f"{name}/label_mes_6"] for row in rows] == [row["label_mes_6"] for row in local]
            assert rows[0][f"{name}/image"].size == (24, 16)
    text = json.loads(path.read_text())
    assert all(text[f"rai:{key}"] for key in check_repository._RESPONSIBLE_AI)
    assert text["rai:machineAnnotationTools"] == ["a test (source toy, 600 answers)"]


def test_eval_yaml_has_one_task_a_scenario(toy_dataset: Path) -> None:
    told = yaml.safe_load((toy_dataset / "eval.yaml").read_bytes())
    assert [task["id"] for task in told["tasks"]] == ["rcs-fast-response", "rcs-high-quality", "rcs-low-energy"]
    assert len(told["tasks"]) == len(SCENARIOS)
    assert {task["split"] for task in told["tasks"]} == {"test"}


def edit(folder: Path, name: str, change: Any) -> None:
    """Change a file and fix the manifest's hashes, so that only the content can give it away."""
    path = folder / name
    path.write_text(change(path.read_text("utf-8")), "utf-8")
    list_files_again(folder)


def change_manifest(folder: Path, change: Any) -> None:
    manifest = json.loads((folder / "manifest.json").read_bytes())
    change(manifest)
    (folder / "manifest.json").write_bytes(to_bytes(manifest))


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("README.md", lambda text: text.replace("license: other\n", ""), "its YAML has no license"),
        ("README.md", lambda text: re.sub("- config_name: splits(.|\n)*?(?=\n[a-z])", "", text), "configs are not"),
        ("README.md", lambda text: text.replace("CC0-1.0", "MIT"), "does not say 'CC0-1.0'"),
        ("README.md", lambda text: text.replace("## Canary", "")[:-150], "does not say"),
        ("README.md", lambda text: "---\na: [\n---\n" + text, "has no YAML that can be read"),
        ("croissant.json", lambda text: text.replace('"sha256": "', '"sha256": "0', 1), "says of judgments/test-"),
        ("croissant.json", lambda text: text.replace("rai:dataBiases", "rai:bias"), "has no rai:dataBiases"),
        ("croissant.json", lambda text: text[:-9], "is no Croissant file"),
        ("eval.yaml", lambda text: text.replace("rcs-low-energy", "rcs"), "its tasks are"),
        ("eval.yaml", lambda text: "- [", "is no benchmark file"),
    ],
)
def test_check_reads_the_documents(folder: Path, name: str, change: Any, says: str) -> None:
    edit(folder, name, change)
    problems = check_dataset(folder)
    assert any(says in problem.what and name in problem.where for problem in problems), problems


def test_check_knows_the_limits_of_the_hub(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_dataset(folder) == []
    monkeypatch.setattr(check_repository, "ROW_GROUP_BYTES", 1_000)
    monkeypatch.setattr(check_repository, "PLAIN_FILE_BYTES", 5_000)
    monkeypatch.setattr(check_repository, "FILES_PER_FOLDER", 2)
    said = "\n".join(map(str, check_dataset(folder)))
    for text in ("the Hub's viewer shows up to 1000", "README.md: has ", "pairs: holds 3 files, the Hub takes 2"):
        assert text in said


def test_a_source_without_a_licence_cannot_be_called_redistributable(folder: Path) -> None:
    change_manifest(folder, lambda m: m["sources"]["toy"].update(license="none stated"))
    assert any("may be re-hosted by a licence that is 'none stated'" in p.what for p in check_dataset(folder))


def test_check_finds_content_of_a_withheld_source(folder: Path) -> None:
    change_manifest(folder, lambda m: m.update(withheld=["toy"]))
    said = {problem.what for problem in check_dataset(folder)}
    assert any("content of a withheld source" in what for what in said)
    assert any("response of a withheld source" in what for what in said)


def test_check_finds_private_scores(folder: Path) -> None:
    change_manifest(folder, lambda m: m.update(private_outcomes={"repository": "org/x", "sha256": ""}))
    said = {problem.what for problem in check_dataset(folder)}
    assert any("small_score is private but stands here" in what for what in said)
    assert any("is private but stands here" in what and "score" not in what for what in said)


def test_export_of_eval_results(tmp_path: Path) -> None:
    from conftest import ROOT
    from huggingface_hub import parse_eval_result_entries

    arguments = ("board", "export-eval-results", "statistics-logistic", "--dataset", "org/rsd-open", "--out", tmp_path)
    assert run_cli(*arguments, "--revision", "a" * 40, cwd=ROOT).returncode == 0
    entries = parse_eval_result_entries(yaml.safe_load((tmp_path / ".eval_results" / "rsd-open.yaml").read_bytes()))
    result = json.loads((ROOT / "leaderboard" / "results" / "statistics-logistic.json").read_text())
    rcs = {row["scenario"]: row["rcs"]["value"] for row in result["scores"] if row["track"] == "in-domain"}
    assert {e.task_id: e.value for e in entries} == {f"rcs-{k.replace('_', '-')}": v for k, v in rcs.items()}
    assert {(e.dataset_id, e.dataset_revision) for e in entries} == {("org/rsd-open", "a" * 40)}
    unknown = run_cli("board", "export-eval-results", "../../etc", "--dataset", "org/rsd-open", cwd=ROOT)
    assert unknown.returncode == 1
    assert "results: " in unknown.stderr and "statistics-logistic" in unknown.stderr
    assert run_cli("board", "export-eval-results", "x", "--dataset", "rsd-open", cwd=ROOT).returncode == 2


HOSTILE = "N`|m\n\n# h <script>alert(1)</script> [y](javascript:z) <img src=x> ``$a$"


def test_what_a_source_calls_itself_is_text_in_the_card(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # name, licence and notes of a source stood in the card as they were, <script> and all
    def structure() -> tuple[list[str], list[str]]:
        blocks = (
            MarkdownIt("commonmark", {"html": True})
            .enable("table")
            .parse((folder / "README.md").read_text("utf-8").partition("---\n\n")[2])
        )
        inline = [child for block in blocks for child in block.children or []]
        links = {child.attrs["href"] for child in inline if child.type == "link_open"}
        raw = {child.content for child in inline if child.type == "html_inline"}
        assert not links and raw <= {"<span>", "</span>"}, (links, raw)
        code = [child.content for child in inline if child.type == "code_inline"]
        return [block.type for block in blocks if block.type != "html_block"], code

    manifest = read_manifest(folder)
    noted = {name: replace(source, notes="n", commit="c", repository="r") for name, source in manifest.sources.items()}
    audit = {"queries": 40, "sources": ["toy"], "all": {"1": 0.125}, "near": {"1": None}}
    write_documents(folder, replace(manifest, sources=noted, flip_prob=audit))
    plain, _ = structure()
    one = " ".join(HOSTILE.split())
    fields = dict.fromkeys(("name", "license", "repository", "commit", "notes", "score_rule"), HOSTILE)
    sources = {HOSTILE: replace(manifest.sources["toy"], **fields)}
    counted = dataset_card.dataset_figures(folder, read_manifest(folder))
    figures = replace(
        counted,
        domains={f"{HOSTILE} {i}": counts for i, counts in enumerate(counted.domains.values())},
        edge_rates={f"{HOSTILE} {i}": rates for i, rates in enumerate(counted.edge_rates.values())},
        histograms={HOSTILE: next(iter(counted.histograms.values()))},
        pairs={HOSTILE: replace(counted.pairs["toy"], models=(HOSTILE, HOSTILE))},
        judges=tuple(replace(judge, source=HOSTILE, name=HOSTILE) for judge in counted.judges),
        statuses={f"{HOSTILE} {i}": n for i, n in enumerate(counted.statuses.values())},
    )
    monkeypatch.setattr(dataset_card, "dataset_figures", lambda *_: figures)
    odd = replace(
        manifest,
        title=HOSTILE,
        pair=replace(manifest.pair, small=HOSTILE, large=HOSTILE),
        sources=sources,
        latency_basis={HOSTILE: 1},
        flip_prob=audit | {"sources": [HOSTILE]},
    )
    write_documents(folder, odd)
    found, code = structure()
    assert found == plain, "a text made a block, a row or a cell of its own"
    assert code.count(one) >= 4, "the ids of both models, the source's, the basis"
    assert not any("<script" in (folder / name).read_text("utf-8") for name in PICTURES)


def test_a_link_of_a_card_is_what_it_looks_like(tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE + '[card]\nurl = "https://github.com@evil.example"\n')
    with pytest.raises(InputError, match=r"\[card\] url 'https://github.com@evil.example' is no https:// address"):
        read_recipe(path)
    manifest = read_manifest(folder)
    for address, kept in {"https://github.com/a/b": True, "https://github.com@evil.example": False}.items():
        sources = {name: replace(source, repository=address) for name, source in manifest.sources.items()}
        write_documents(folder, replace(manifest, sources=sources))
        assert (f", {address}" in (folder / "README.md").read_text("utf-8")) == kept
    assert check_dataset(folder) == []
    from conftest import ROOT

    source = ("--source-url", "https://github.com@evil.example")
    run = run_cli("board", "export-eval-results", "knn", "--dataset", "a/b", "--out", tmp_path, *source, cwd=ROOT)
    assert run.returncode == 2 and "is no https://" in " ".join(run.stderr.replace("│", "").split())
