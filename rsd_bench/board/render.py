"""The board as CSV, Markdown and terminal text. Whatever a submitter or a dataset names is made inert."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

from rsd_bench.board.leaderboard import BoardOverall, BoardRow, BoardTable, Leaderboard
from rsd_bench.board.shown_names import shown_names
from rsd_bench.config import DROP_AT_CA, IN_DOMAIN
from rsd_bench.evaluation.published import DROP
from rsd_bench.evaluation.result import are_presets, flat_row, interval_text, policy_rows
from rsd_bench.inert_text import csv_cell, markdown_code, markdown_text, one_line
from rsd_bench.types import Interval, RoutingScore


def to_csv(board: Leaderboard) -> str:
    """One line per track, scenario and router; reference policies have an empty band."""
    rows: list[dict[str, Any]] = []
    for table in board.tables:
        key = {"track": table.track, "scenario": table.scenario}
        rows += [{**key, **_flat(row), "flags": "; ".join(row.flags)} for row in table.rows]
        rows += [{**key, "slug": f"({row['policy']})", **row} for row in policy_rows(table.references)]
    columns = list(dict.fromkeys(name for row in rows for name in row if name != "policy"))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        cells = map(row.get, columns)
        writer.writerow([csv_cell(value) if isinstance(value, str) else value for value in cells])
    return out.getvalue()


def _flat(row: BoardRow) -> dict[str, Any]:
    """The drop says what APSP at that CA says, and has no interval: it is left to JSON."""
    repeats = row.score.repeats
    figures = {key: value for key, value in row.figures().items() if key != DROP}
    return {**flat_row(figures), "repeats": repeats.number if repeats else None}


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
    if board.prices_day:
        lines.append(f"USD at prices of {markdown_text(board.prices_day)}.")
    names = shown_names({s.slug: s.name for s in board.submissions})
    if board.noise:
        shares = ", ".join(
            f"{ceiling.flip_prob:.1%} in {markdown_text(scenario)}" for scenario, ceiling in board.noise.items()
        )
        lines.append(f"Noise ceiling of the labels: judged again, {shares} would flip.")
    if board.overall:
        lines += ["", "## Overall", "", *_markdown_overall(board.overall, names)]
    for table in board.tables:
        title = table.scenario if table.track == IN_DOMAIN else f"{table.scenario}, {table.track}"
        lines += ["", f"## {markdown_text(title)}", "", f"{_described(board, table)}.", ""]
        lines += _markdown_table(table, names)
    for refused in board.refused:
        lines += ["", f"Refused: {markdown_text(refused.slug)} ({len(refused.problems)} problems)"]
    return "\n".join(lines) + "\n"


def _asked(board: Leaderboard, table: BoardTable) -> str:
    """What a scenario asks for, where it is none of the presets, which docs/metrics.md describes."""
    scenario = board.scenarios.get(table.scenario)
    return "" if scenario is None or are_presets({table.scenario: scenario}) else f"; {scenario.described}"


def _described(board: Leaderboard, table: BoardTable) -> str:
    """What a table rests on, and what it can tell."""
    gap = table.minimum_detectable_gap
    told = "" if gap is None else f"; minimum detectable gap {gap:.4f}"
    none = "" if table.no_bands is None else f"; no bands: {table.no_bands}"
    queries = f"{table.n} test queries{_asked(board, table)}"
    return f"{queries}; {table.groups} groups, {table.protocol}{told}{none}"


def _markdown_overall(overall: BoardOverall, names: Mapping[str, str]) -> list[str]:
    """Skill and gain over the suite, by the bands of skill."""
    gap, none = overall.minimum_detectable_gap, overall.no_bands
    told = f"Means over {len(overall.tracks)} tracks and all scenarios, at least {overall.groups} groups each"
    told += "" if gap is None else f"; minimum detectable gap in skill {gap:.4f}"
    rows = [["band", "router", "skill", "gain, points"], ["---"] * 4]
    for row in overall.rows:
        figures = interval_text(row.skill, 3), row.gain.points()
        rows.append(["" if none else str(row.band), markdown_text(_marked(names[row.slug], row.kind)), *figures])
    rows.append(["", "*best fixed policy*", "0", "0"])
    return [f"{told}{f'; no bands: {none}' if none else ''}.", "", *(f"| {' | '.join(cells)} |" for cells in rows)]


def _marked(name: str, kind: str) -> str:
    """A name, with what a router of another kind than most saw before it decided."""
    return name if kind == "query" else f"{name} [{kind}]"


_COLUMNS = (
    *("band", "router", "RCS", "gain, points", "skill", "captured", "APSP", "CA", "AIL (s)", "AUROC"),
    *("over / under-escalated", "calls saved", "USD saved", f"APSP at CA {DROP_AT_CA:g}", "repeats", "flags"),
)


def _markdown_table(table: BoardTable, names: Mapping[str, str]) -> list[str]:
    rows = [_router_cells(row, names[row.slug], table.no_bands is None) for row in table.rows]
    rows += [_reference_cells(policy, score, policy == table.best_fixed) for policy, score in table.references.items()]
    return [f"| {' | '.join(cells)} |" for cells in (_COLUMNS, ["---"] * len(_COLUMNS), *rows)]


def _router_cells(row: BoardRow, name: str, banded: bool) -> list[str]:
    score = row.score
    return [
        str(row.band) if banded and row.band else "",
        markdown_text(_marked(name, score.kind)),
        interval_text(score.rcs),
        score.gain.points(),
        _figure(score.skill, 3),
        _figure(score.captured, 3),
        f"{score.apsp.value:.4f}",
        f"{score.ca.value:.3f}",
        f"{score.ail.value:.3f}",
        _figure(score.auroc, 3),
        f"{_figure(score.over_escalated, 3)} / {_figure(score.under_escalated, 3)}",
        _figure(score.saved_calls, 0),
        _figure(score.saved_usd, 2),
        " ".join(interval_text(of.apsp) for of in score.apsp_at_ca if of.ca == DROP_AT_CA),
        str(score.repeats.number) if score.repeats else "",
        markdown_text("; ".join(row.flags)),
    ]


def _figure(interval: Interval | None, digits: int) -> str:
    """A value by itself; nothing where there is none."""
    return "" if interval is None or math.isnan(interval.value) else f"{interval.value:.{digits}f}"


def _reference_cells(policy: str, score: RoutingScore, best: bool) -> list[str]:
    shown = f"*{markdown_text(policy)}*" + (" (best fixed)" if best else "")
    figures = [f"{score.apsp:.4f}", f"{score.ca:.3f}", f"{score.ail:.3f}"]
    return ["", shown, f"{score.rcs:.4f}", "", "", "", *figures, *[""] * (len(_COLUMNS) - 9)]


def to_text(board: Leaderboard, track: str = IN_DOMAIN) -> str:
    """The tables of one track for a terminal."""
    blocks, names = [], shown_names({s.slug: s.name for s in board.submissions})
    if board.overall:
        lines = [("band", "router", "skill [95 % interval]", "gain, points")]
        for entry in board.overall.rows:
            both = interval_text(entry.skill, 3), entry.gain.points()
            band = "-" if board.overall.no_bands else str(entry.band)
            lines.append((band, _printable(_marked(names[entry.slug], entry.kind)), *both))
        none = f", no bands: {board.overall.no_bands}" if board.overall.no_bands else ""
        blocks.append("\n".join([f"overall ({len(board.overall.tracks)} tracks{none})", *_aligned(lines)]))
    for table in board.tables:
        if table.track != track:
            continue
        rows: list[Sequence[str]] = [
            ("band", "router", "RCS [95 % interval]", "gain, points", "skill", "APSP", "CA", "AIL s")
        ]
        for row in table.rows:
            score = row.score
            figures = (f"{score.apsp.value:.3f}", f"{score.ca.value:.3f}", f"{score.ail.value:.2f}")
            band, name = (
                "-" if table.no_bands or row.band is None else str(row.band),
                _printable(_marked(names[row.slug], score.kind)),
            )
            beside = f"{100 * score.gain.value:+z.1f}", _figure(score.skill, 3)
            rows.append((band, name, interval_text(score.rcs), *beside, *figures))
        for policy, fixed in table.references.items():
            figures = (f"{fixed.apsp:.3f}", f"{fixed.ca:.3f}", f"{fixed.ail:.2f}")
            shown = f"{policy} (best fixed)" if policy == table.best_fixed else policy
            rows.append(("-", shown, f"{fixed.rcs:.4f}", "", "", *figures))
        title = f"{_printable(table.scenario)} ({_printable(table.track)}, {_described(board, table)})"
        blocks.append("\n".join([title, *_aligned(rows)]))
    return "\n\n".join(blocks)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]


def _printable(text: str) -> str:
    """For a terminal: on one line, at most 40 characters."""
    clean = one_line(text)
    return clean if len(clean) <= 40 else f"{clean[:39]}…"
