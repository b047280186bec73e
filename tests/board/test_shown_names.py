"""Names on a board: two rows that look alike are told apart.

Guards against four rows "Gain kernel" with nothing beside them, and a name that forged the mark which tells them apart.
"""

from __future__ import annotations

import pytest

from rsd_bench.board.shown_names import shown_names


def shown(*names: str) -> list[str]:
    return list(shown_names({f"s{i}": name for i, name in enumerate(names)}).values())


@pytest.mark.parametrize(
    "other",
    ["Gain kernel", "gain  kernel", "Gain\u034f kernel", "Gain kernel\ufe0f", "Ｇain kernel", "Gain\u200b kernel"],
)
def test_names_that_look_alike_have_their_slug_added(other: str) -> None:
    assert shown("Gain kernel", other, "kNN") == ["Gain kernel (s0)", f"{other} (s1)", "kNN"]


@pytest.mark.parametrize("name", ["all-edge", "All-Cloud", "random", "rcs-oracle"])
def test_a_router_named_as_a_policy_is_shown_to_be_none(name: str) -> None:
    assert shown(name, "kNN") == [f"{name} (s0)", "kNN"]


def test_the_mark_of_another_cannot_be_forged() -> None:
    assert shown("Gain kernel", "Gain kernel (s0)") == ["Gain kernel", "Gain kernel (s0) (s1)"]


def test_a_name_of_its_own_stays_as_it_is() -> None:
    assert shown("Réseau (v2)", "路由器", "all-edge, but better") == ["Réseau (v2)", "路由器", "all-edge, but better"]
