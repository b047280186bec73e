"""Splits must not leak: no group and no image may stand in two of them, today or after rows are added.

Queries that share an image (or a seed question) and fall on both sides of a split let a router remember answers. And a
split that moves when rows are added makes an old score and a new one incomparable without anyone noticing.
"""

import random
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsd_bench.config import SPLIT_SHARES, SPLITS, STANDING_GROUPS
from rsd_bench.dataset.splits import (
    domain_groups,
    join_equal_questions,
    leakage_groups,
    split_of,
)
from rsd_bench.dataset.tracks import Track, leave_one_out, parts_of

quick = settings(deadline=None, max_examples=100, derandomize=True)
rows = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("pqrstuvw")), min_size=1, max_size=25)


def split_rows(pairs):
    """Final group and split of each (group, image)."""
    finals = leakage_groups([g for g, _ in pairs], [[i] for _, i in pairs])
    return finals, [split_of(final) for final in finals]


#: Splits of dynamath/0, dynamath/1 ...: t train, v validation, T test.
PINNED = "tvtttTTTtttt"


# --- the split of a group ------------------------------------------------------------------------------------------


def test_shares_are_60_20_20_on_20000_groups():
    found = Counter(split_of(f"source/{i}") for i in range(20_000))
    assert set(found) == set(SPLITS)
    for split, share in zip(SPLITS, SPLIT_SHARES, strict=True):
        assert abs(found[split] / 20_000 - share) < 0.01  # the sd of a share is at most 0.0035


@pytest.mark.parametrize("prefix", ["dynamath/", "a", "图/", ""])
def test_shares_do_not_depend_on_what_ids_look_like(prefix):
    found = Counter(split_of(f"{prefix}{i:06d}") for i in range(5000))
    assert abs(found["train"] / 5000 - 0.6) < 0.03 and abs(found["test"] / 5000 - 0.2) < 0.03


def test_splits_are_those_of_the_published_data():
    # pinned: another salt, hash or cut would silently re-split every dataset that was ever published
    splits = [split_of(f"dynamath/{i}") for i in range(len(PINNED))]
    assert "".join({"train": "t", "validation": "v", "test": "T"}[split] for split in splits) == PINNED


# --- leakage -------------------------------------------------------------------------------------------------------


@quick
@given(rows)
def test_no_group_and_no_image_stands_in_two_splits(pairs):
    finals, splits = split_rows(pairs)
    for side in (0, 1):
        for key in {pair[side] for pair in pairs}:
            members = [i for i, pair in enumerate(pairs) if pair[side] == key]
            assert len({finals[i] for i in members}) == 1 and len({splits[i] for i in members}) == 1


@quick
@given(rows)
def test_final_groups_are_the_connected_components_and_no_larger(pairs):
    finals, _ = split_rows(pairs)
    # the definition, slowly: join whatever shares a group or an image until nothing changes
    expected = [group for group, _ in pairs]
    changed = True
    while changed:
        changed = False
        for i, (group, image) in enumerate(pairs):
            linked = [j for j, pair in enumerate(pairs) if pair[0] == group or pair[1] == image]
            smallest = min(expected[j] for j in [*linked, i])
            for j in linked:
                if expected[j] != smallest:
                    expected[j], changed = smallest, True
    assert finals == expected


@quick
@given(rows, st.randoms(use_true_random=False))
def test_order_of_rows_does_not_matter(pairs, rng):
    order = rng.sample(range(len(pairs)), len(pairs))
    before, _ = split_rows(pairs)
    after, _ = split_rows([pairs[i] for i in order])
    assert after == [before[i] for i in order]


def test_a_chain_of_shared_images_is_one_group():
    groups = ["g1", "g1", "g2", "g3", "g4"]
    images = ["x", "y", "y", "z", "z"]
    assert leakage_groups(groups, [[image] for image in images]) == ["g1", "g1", "g1", "g3", "g3"]


def test_a_group_and_an_image_of_the_same_name_are_not_confused():
    assert leakage_groups(["x", "g"], [["a"], ["x"]]) == ["x", "g"]


def test_no_rows_no_groups():
    assert leakage_groups([], []) == []


def test_any_medium_of_several_joins_and_none_joins_nothing() -> None:
    media = [["a", "b"], ["c", "b"], [], [], ["c"]]
    assert leakage_groups(list("vwxyz"), media) == ["v", "v", "x", "y", "v"]


def test_many_rows_are_grouped_in_one_go():
    n = 50_000
    finals = leakage_groups([f"g{i // 2}" for i in range(n)], [[f"i{i // 4}"] for i in range(n)])
    assert len(set(finals)) == n // 4


# --- equal questions -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "again",
    [
        "How many bars are there?",
        "how many BARS are there?",
        "  How many\tbars\n are there? ",
        "HOW MANY BARS ARE THERE?",
    ],
)
def test_groups_that_ask_the_same_are_joined(again):
    # 11 % of the test questions of rsd-open stood word for word in its training rows
    found = join_equal_questions(["b", "a", "c"], ["How many bars are there?", again, "How many dots are there?"])
    assert found.groups == ["a", "a", "c"] and found.standing == [False, False, False]


def test_a_text_joins_whole_groups():
    found = join_equal_questions(["a", "a", "b", "b", "c"], ["one", "two", "TWO", "three", "four"])
    assert found.groups == ["a", "a", "a", "a", "c"]


def test_a_standing_prompt_joins_nothing_and_is_counted():
    # all of dental_vision has one: joined, it would be a single group, and no interval could be given
    prompt, most = "Describe the  image.", STANDING_GROUPS
    groups = [f"g{i:02d}" for i in range(most + 1)]
    found = join_equal_questions(groups, [prompt] * (most + 1))
    assert found.groups == groups and found.standing == [True] * (most + 1)
    kept = join_equal_questions(groups[:most], [prompt.upper()] * most)
    assert kept.groups == ["g00"] * most and not any(kept.standing)
    # what counts are groups, not queries: a question asked of twelve images of one group is no prompt
    many = join_equal_questions(["a"] * 12 + ["b"], [prompt] * 13)
    assert many.groups == ["a"] * 13 and not any(many.standing)
    # and a group with a standing prompt may still be joined by another text
    mixed = join_equal_questions([*groups, "g00", "x"], [prompt] * (most + 1) + ["Which tooth?", "which tooth?"])
    assert mixed.groups == [*groups, "g00", "g00"] and mixed.standing == [True] * (most + 1) + [False, False]


@pytest.mark.parametrize("empty", ["", "  ", "\n", None])
def test_a_query_without_words_joins_nothing_and_is_no_prompt(empty):
    found = join_equal_questions(["a", "b", "c"], [empty, empty, "query 0"])
    assert found.groups == ["a", "b", "c"] and found.standing == [False] * 3


def test_no_queries_no_groups():
    assert join_equal_questions([], []).groups == []


@quick
@given(rows)
def test_equal_texts_are_joined_as_equal_images_are(pairs):
    groups, texts = [g for g, _ in pairs], [t for _, t in pairs]
    joined = leakage_groups(groups, [[text] for text in texts])
    assert join_equal_questions(groups, texts).groups == joined  # 8 texts in 8 groups at most


# --- stability -----------------------------------------------------------------------------------------------------


def test_adding_rows_moves_no_row():
    rng = random.Random(0)
    old = [(f"old{rng.randrange(300)}", f"image{i}") for i in range(1000)]
    new = [(f"new{rng.randrange(300)}", f"photo{i}") for i in range(1000)]
    more = [(group, f"extra{i}") for i, (group, _) in enumerate(old[:200])]  # further queries of groups that exist
    finals, splits = split_rows(old)
    for added in (new, more, new + more):
        merged = added[: len(added) // 2] + old + added[len(added) // 2 :]
        start = len(added) // 2
        again, splits_again = split_rows(merged)
        assert again[start : start + len(old)] == finals
        assert splits_again[start : start + len(old)] == splits
    assert len(set(splits)) == 3


def test_removing_a_whole_group_moves_no_other():
    old = [(f"g{i // 3}", f"image{i}") for i in range(300)]
    finals, _ = split_rows(old)
    kept = [i for i, (group, _) in enumerate(old) if group != "g0"]
    assert split_rows([old[i] for i in kept])[0] == [finals[i] for i in kept]


def test_a_row_that_joins_two_groups_joins_their_splits_rather_than_leak():
    # the one case in which a row may move: the alternative would be the same image on both sides
    one = next(f"a{i}" for i in range(100) if split_of(f"a{i}") == "train")
    other = next(f"b{i}" for i in range(100) if split_of(f"b{i}") == "test")
    old = [(one, "x"), (other, "y")]
    assert split_rows(old)[1] == ["train", "test"]
    assert split_rows([*old, (one, "y")])[1] == ["train", "train", "train"]


# --- tracks --------------------------------------------------------------------------------------------------------


def fixed(train, test):
    return Track(name="chart-to-photo", protocol="fixed-test", train=train, test=test)


def plays(track, *rows):
    """The part of queries of (domain, split), each in a group of its own."""
    table = pd.DataFrame(rows, columns=["domain", "split"])
    return parts_of(track, table.assign(source="toy", group_id=[f"g{i}" for i in range(len(rows))]))


def test_leave_one_out_tests_each_domain_once_and_never_trains_on_it():
    tracks = leave_one_out(["photo", "chart", "math", "chart"], "domain-out")
    assert [(track.name, track.train, track.test) for track in tracks] == [
        ("leave-chart-out", ("math", "photo"), ("chart",)),
        ("leave-math-out", ("chart", "photo"), ("math",)),
        ("leave-photo-out", ("chart", "math"), ("photo",)),
    ]


@pytest.mark.parametrize("domains", [[], ["chart"], ["chart", "chart"]])
def test_one_domain_leaves_nothing_to_train_on(domains):
    assert leave_one_out(domains, "domain-out") == []


@pytest.mark.parametrize(
    ("domain", "split", "part"),
    [
        ("chart", "train", "train"),
        ("chart", "validation", "validation"),  # tau is chosen where the router was trained, not on the tested domain
        ("chart", "test", None),
        ("photo", "train", None),
        ("photo", "validation", None),
        ("photo", "test", "test"),
        ("math", "train", None),
        ("math", "test", None),
    ],
)
def test_a_fixed_test_trains_selects_and_tests_where_it_says(domain, split, part):
    assert plays(fixed(("chart",), ("photo",)), (domain, split)) == [part]


def test_a_fixed_test_may_test_the_domains_that_it_trains_on():
    track = fixed(("chart", "photo"), ("chart", "photo"))
    assert plays(track, *(("chart", split) for split in SPLITS)) == list(SPLITS)


def test_domain_out_tests_all_of_a_domain_and_learns_from_no_group_of_it():
    track = Track(name="out", protocol="domain-out", train=("chart",), test=("photo",))
    rows = [("chart", "train"), ("chart", "validation"), ("chart", "test"), ("photo", "train"), ("math", "train")]
    assert plays(track, *rows) == ["train", "validation", "train", "test", None]
    table = pd.DataFrame(rows, columns=["domain", "split"]).assign(source="toy", group_id=["g", "h", "i", "g", "j"])
    assert parts_of(track, table) == [None, "validation", "train", "test", None]


def test_a_track_takes_the_queries_of_its_sources_that_have_every_score():
    table = pd.DataFrame({"source": ["a", "a", "b"], "domain": "x", "split": "train", "group_id": ["1", "2", "3"]})
    track = Track(name="pairs", sources=("a",))
    assert parts_of(track, table, np.array([True, False, True])) == ["fold", None, None]


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        ({"protocol": "loose"}, "protocol 'loose'"),
        ({"tiers": ("a",)}, "at least 2 models"),
        ({"tiers": ("a", "b", "a")}, "each once"),
        ({"tiers": ("a", "b", "c"), "costs": (1.0, 2.0)}, "2 costs for 3 tiers"),
    ],
)
def test_a_track_that_makes_no_sense_is_refused(wrong, what):
    with pytest.raises(ValueError, match=what):
        Track(name="t", **wrong)


# --- domain groups -------------------------------------------------------------------------------------------------


def test_unmapped_domains_are_their_own_group():
    mapping = {"photo": ["wild_photo", "medical"]}
    assert domain_groups(mapping, ["chart", "wild_photo", "medical"]) == {
        "chart": "chart",
        "wild_photo": "photo",
        "medical": "photo",
    }
    assert domain_groups(None, ["chart"]) == {"chart": "chart"}


def test_a_domain_in_two_groups_is_refused():
    with pytest.raises(ValueError, match="domain 'chart' stands in 'a' and 'b'"):
        domain_groups({"a": ["chart"], "b": ["chart"]}, ["chart"])
