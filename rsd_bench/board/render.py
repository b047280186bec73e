"""The board as CSV, Markdown and terminal text. Whatever a submitter or a dataset names is made inert."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from rsd_bench.board.leaderboard import BoardRow, BoardTable, Leaderboard
from rsd_bench.board.shown_names import shown_names
from rsd_bench.config import DROP_AT_CA, IN_DOMAIN
from rsd_bench.evaluation.result import are_presets, flat_row, interval_text, policy_rows
from rsd_bench.inert_text import csv_cell, markdown_code, markdown_text, one_line
from rsd_bench.types import RoutingScore


def to_csv(board: Leaderboard) -> str:
    """One line per track, scenario and router; reference policies have an empty band."""
    rows: list[dict[str, Any]] = []
    for table in board.tables:
        key = {"track": table.track, "scenario": table.scenario}
        rows += [{**key, **flat_row(row.figures()), "flags": "; ".join(row.flags)} for row in table.rows]
        rows += [{**key, "slug": f"({row['policy']})", **row} for row in policy_rows(table.references)]
    columns = list(dict.fromkeys(name for row in rows for name in row if name != "policy"))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        cells = map(row.get, columns)
        writer.writerow([csv_cell(value) if isinstance(value, str) else value for value in cells])
    return out.getvalue()


def to_markdown(board: Leaderboard) -> str:
    """The board for people: one table per scenario and track, reference policies below the routers."""
    dataset, pair = board.dataset, board.dataset.pair
    basis = ", ".join(map(markdown_code, board.latency_basis))
    lines = [
        f"# Leaderboard: {markdown_text(f'{dataset.name} {dataset.version}')}",
        "",
        f"Small {markdown_code(pair.small)}, large {markdown_code(pair.large)}. "
        f"Metrics version {board.metrics_version}, latency basis {basis}. "
        f"Data manifest `{dataset.manifest_sha256[:12]}`.",
        f"[low, high]: 95 % interval of {board.bootstrap.n_boot} bootstrap samples over groups. Routers of one band "
        "cannot be told apart. Router latencies are declared by their authors.",
    ]
    names = shown_names({s.slug: s.name for s in board.submissions})
    if board.noise:
        shares = ", ".join(
            f"{ceiling.flip_prob:.1%} in {markdown_text(scenario)}" for scenario, ceiling in board.noise.items()
        )
        lines.append(f"Noise ceiling of the labels: judged again, {shares} would flip.")
    for table in board.tables:
        title = table.scenario if table.track == IN_DOMAIN else f"{table.scenario}, {table.track}"
        lines += ["", f"## {markdown_text(title)}", "", f"{table.n} test queries{_asked(board, table)}.", ""]
        lines += _markdown_table(table, names)
    for refused in board.refused:
        lines += ["", f"Refused: {markdown_text(refused.slug)} ({len(refused.problems)} problems)"]
    return "\n".join(lines) + "\n"


def _asked(board: Leaderboard, table: BoardTable) -> str:
    """What a scenario asks for, where it is none of the presets, which docs/metrics.md describes."""
    scenario = board.scenarios.get(table.scenario)
    return "" if scenario is None or are_presets({table.scenario: scenario}) else f"; {scenario.described}"


_COLUMNS = ("band", "router", "RCS", "gain over best fixed", "APSP", "CA", "AIL (s)", "AUROC", "APSP drop", "flags")


def _markdown_table(table: BoardTable, names: Mapping[str, str]) -> list[str]:
    rows = [_router_cells(row, names[row.slug]) for row in table.rows]
    rows += [_reference_cells(policy, score) for policy, score in table.references.items()]
    drop = f"APSP drop at CA {DROP_AT_CA:g}"
    header = [drop if name == "APSP drop" else name for name in _COLUMNS]
    return [f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows)]


def _router_cells(row: BoardRow, name: str) -> list[str]:
    score = row.score
    return [
        str(row.band),
        markdown_text(name),
        interval_text(score.rcs),
        interval_text(score.gain, sign="+"),
        f"{score.apsp.value:.4f}",
        f"{score.ca.value:.3f}",
        f"{score.ail.value:.3f}",
        "" if score.auroc is None else f"{score.auroc:.3f}",
        f"{score.apsp_drop:.4f}",
        markdown_text("; ".join(row.flags)),
    ]


def _reference_cells(policy: str, score: RoutingScore) -> list[str]:
    values = [f"{score.rcs:.4f}", "", f"{score.apsp:.4f}", f"{score.ca:.3f}", f"{score.ail:.3f}"]
    return ["", f"*{markdown_text(policy)}*", *values, "", "", ""]


def to_text(board: Leaderboard, track: str = IN_DOMAIN) -> str:
    """The tables of one track for a terminal."""
    blocks, names = [], shown_names({s.slug: s.name for s in board.submissions})
    for table in board.tables:
        if table.track != track:
            continue
        rows: list[Sequence[str]] = [("band", "router", "RCS [95 % interval]", "gain", "APSP", "CA", "AIL s")]
        for row in table.rows:
            score = row.score
            figures = (f"{score.apsp.value:.3f}", f"{score.ca.value:.3f}", f"{score.ail.value:.2f}")
            cells = (str(row.band), _printable(names[row.slug]), interval_text(score.rcs), f"{score.gain.value:+.4f}")
            rows.append((*cells, *figures))
        for policy, fixed in table.references.items():
            figures = (f"{fixed.apsp:.3f}", f"{fixed.ca:.3f}", f"{fixed.ail:.2f}")
            rows.append(("-", policy, f"{fixed.rcs:.4f}", "", *figures))
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
        title = (
            f"{_printable(table.scenario)} ({_printable(table.track)}, {table.n} test queries{_asked(board, table)})"
        )
        blocks.append("\n".join([title, *lines]))
    return "\n\n".join(blocks)


def _printable(text: str) -> str:
    """For a terminal: on one line, at most 40 characters."""
    clean = one_line(text)
    return clean if len(clean) <= 40 else f"{clean[:39]}…"
