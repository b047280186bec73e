"""The numeric judge once gave full marks to ">42", "less than 42", "42 squared" and "half of 21".

It refused what it knew to change a number, and no list of that is complete. Here: answers that must stay scored, and
answers that must not be.
"""

from __future__ import annotations

import pytest

from rsd_bench.judge.closed import exact_match, numeric

LEADS = [
    "{}", "The answer is {}", "the answer is {}.", "Answer: {}", "**{}**", "`{}`", '"{}"', "{}.", " {} ", "{}\n",
    "It is {}.", "about {}", "approximately {}", "approx. {}", "roughly {}", "x = {}", "x={}", "= {}", "~{}",
    "~ {}", "So the answer is {}", "Therefore, the result is {}.", "There are {}", "The total is {}.",
    "The sum equals {}", "\\boxed{{{}}}", "Final answer: {}", "${}$", "\\({}\\)", "exactly {}",
    "The value is equal to {}", "y \\approx {}", "{} is the answer", "{} in total", "\u2248 {}",
]  # fmt: skip
NUMBERS = [("42", "42"), ("42", "42.0"), ("1234.5", "1,234.5"), ("-3", "\u22123"), ("0.5", "1/2")]
RIGHT = [(reference, lead.format(number)) for lead in LEADS for reference, number in NUMBERS]

WITH_UNITS = [
    ("42", "42 cm"), ("42", "42cm"), ("42", "42 m"), ("42", "42 \u00b0"), ("42", "42^\\circ"), ("42", "42 degrees"),
    ("42", "42 km/h"), ("42", "42 seconds"), ("42", "42 s"), ("42", "42 kg"), ("42", "42 m\u00b2"),
    ("42", "42 cm^2"), ("42", "$42"), ("42", "\u20ac42"), ("42", "\u00a342"), ("42", "42 dollars"),
    ("42", "42 USD"), ("45", "45%"), ("45", "45 percent"), ("45", "45 per cent"), ("45", "45\\%"), ("0.45", "45 %"),
    ("45%", "45"), ("45%", "45 %"), ("45%", "0.45"), ("3 apples", "3 apples"), ("3 apples", "3"),
    ("3 apples", "There are 3 apples."), ("3 cm", "3 cm"), ("3 cm", "3"), ("3 cm", "The answer is 3 cm."),
    ("20 m/s", "20 m/s"), ("$5", "$5"), ("$5", "5"), ("$5", "5 dollars"), ("5 dollars", "$5.00"),
    ("1 hour", "1 hour"), ("2 hours", "2 hour"), ("1,000", "1000"), ("1.5e3", "1500"), ("0", "0"),
    ("0.75", "\\frac{3}{4}"), ("-0.75", "Answer: $-\\dfrac{3}{4}$"), ("7", "+7"),
    ("7", "First 3, then 4. Answer: 7"), ("7", "I count 3 and 4, so the answer is 7."), ("7", "\\boxed{\\text{7}}"),
]  # fmt: skip

PLAIN = [
    ("5 meters", "5 m"), ("45 degrees", "45\u00b0"), ("25 degrees Celsius", "25\u00b0C"), ("5 m", "5 metres"), ("42", "(42)"),
    ("42", "[42]"), ("1234", "1{,}234"), ("0.5", "\\frac12"), ("-3", "(-3)"), ("5", "5\u3002"), ("42", "42 square meters"),
    ("42", "Answer\uff1a42"), ("42", "### Answer\n42"), ("2019", "The year is 2019"), ("2019", "In 2019"), ("5", "It's 5."),
    ("2019", "Year: 2019"), ("5", "the answer should be 5"), ("3.14", "3.14 (approximately)"), ("42", "<answer>42</answer>"),
    ("1000000", "1 \\times 10^6"), ("0.002", "2 \u00d7 10^{-3}"), ("5 ms", "5 ms"), ("6 feet", "6 ft"), ("3 hours", "3 h"),
]  # fmt: skip

WRONG = [
    ("42", "43"), ("42", "The answer is 41."), ("42", "-42"), ("42", "\u201342"), ("42", "4.2"), ("42", "420"),
    ("0", "0.001"), ("45%", "0.45%"), ("45%", "44 %"), ("42", "about 50"), ("42", "$43"), ("42", "43 cm"),
    ("3 cm", "4 cm"), ("7", "7/2"), ("0.5", "\\frac{1}{3}"), ("3 apples", "4 apples"), ("7", "Answer: 8"),
    ("7", "\\boxed{8}"), ("1e3", "1e4"), ("7", ".7"),
]  # fmt: skip

UNTOLD = [
    ("42", text) for text in (
        ">42", "<42", "> 42", "\u226542", "\u2264 42", "less than 42", "more than 42", "at least 42", "at most 42",
        "over 42", "under 42", "up to 42", "above 42", "below 42", "nearly 42", "almost 42", "no more than 42",
        "fewer than 42", "42+", "42 or more", "42 or so", "42-ish", "42ish", "42?", "42!", "42?!",
        "It cannot be 42", "anything but 42", "not 42", "It isn't 42", "It isn\u2019t 42", "never 42",
        "It could be 42", "maybe 42", "I doubt that it is 42", "unless 42", "42 squared", "42 cubed", "42\u00b2",
        "42^2", "42 to the power of 2", "double 42", "twice 42", "half of 42", "a third of 42", "42 times 2",
        "42 percent of the people or fewer", "square root of 42", "\u221a42", "\\sqrt{42}", "log 42", "minus 42",
        "negative 42", "- 42", "The answer - 42", "\u201142", "\ufe6342", "\u207b42", "\u00b142", "42 below zero",
        "42 above zero", "42 lakh", "42 crore", "42 dozen", "42 hundred", "42 thousand", "42k", "42 K", "42M",
        "42 million", "42bn", "42 B", "42\u2030", "42 per mille", "42 ppm", "42e", "42x", "x42", "x 42", "A42",
        "42nd", "42th", "the 42s", "42s", "42 pm", "42 and 43", "42, 43", "42 43", "42-43", "42 to 43", "42 or 43",
        "41 < 42", "42 (43)", "42 1/2", "42\u00bd", "42 and a half", "1,42", "42,5", "42.5.1", "0x42", "42:30",
        "{42}", "|42|", "42/", "42 +", "42 = x + 1", "six times seven", "", "the number", "NaN",
        "infinity", "1e999", "42 mod 5", "42 base 8", "No. 42 is wrong", "the correct answer is not 42",
        "42 is wrong", "42 is not the answer", "everyone says 42", "42 remaining of", "42 missing",
        "\\overline{42}", "\\frac{42}", "\\frac{42}{0}", "42 \\cdot 2", "42\\pi", "42\u03c0", "42 \u00d7 10",
        "42 people", "42 apples",
    )
] + [
    ("5", "5!"), ("21", "half of 42"), ("21", "half of 21"), ("7", "\u20117"), ("7", "\ufe637"),
    ("7", "7 below zero"), ("7", "7 lakh"), ("7", "7\u2030"), ("5000", "5 km"), ("5", "5000 m"), ("5", "300 s"),
    ("3 cm", "3 mm"), ("3 cm", "30 mm"), ("3 apples", "3 pears"), ("$5", "\u20ac5"), ("45%", "45 cm"),
    ("3 cm", "3 %"), ("5 dollars", "5 euros"),
]  # fmt: skip


def score_of(reference: str, candidate: str) -> float | None:
    judge = numeric(0.01)
    assert judge.usable(reference)
    verdict = judge.decide(reference, candidate, "")
    return verdict.score if verdict else None


def test_there_are_three_hundred_cases_and_half_of_them_stay_scored() -> None:
    told, untold = len({*RIGHT, *WITH_UNITS, *WRONG}), len(set(UNTOLD))
    assert told >= 150
    assert untold >= 140
    assert told + untold >= 300


@pytest.mark.parametrize(("reference", "candidate"), [*RIGHT, *WITH_UNITS, *PLAIN])
def test_a_right_answer_is_scored_whatever_leads_to_it(reference: str, candidate: str) -> None:
    assert score_of(reference, candidate) == 10.0


@pytest.mark.parametrize(("reference", "candidate"), WRONG)
def test_a_plain_wrong_answer_is_wrong(reference: str, candidate: str) -> None:
    assert score_of(reference, candidate) == 0.0


@pytest.mark.parametrize(("reference", "candidate"), UNTOLD)
def test_what_says_more_than_a_number_is_not_scored(reference: str, candidate: str) -> None:
    assert score_of(reference, candidate) is None


@pytest.mark.parametrize("reference", [
    "a cat", "", "3 or 4", "less than 42", ">42", "5 million", "7 lakh", "7 below zero", "5!", "42 squared", "5 M",
    "3-4", "x", "1/0", "about not 7",
])  # fmt: skip
def test_a_reference_that_is_no_plain_number_is_not_used(reference: str) -> None:
    assert not numeric().usable(reference)


@pytest.mark.parametrize(
    "text",
    [
        "The answer is not \\boxed{42}",
        "Not \\boxed{42}",
        "The answer is 43 (not \\boxed{42})",
        "The wrong answer is 42",
        "I doubt the answer is 42",
        "The answer is 42\nNo wait, it is 43",
        "I would not say the answer is 42",
        "If the answer is 42",
        "\\boxed{43} or \\boxed{42}",
    ],
)
def test_an_answer_that_is_denied_supposed_or_taken_back_is_none(text: str) -> None:
    """Each was full marks: only what stands behind the last marker was looked at."""
    assert score_of("42", text) is None
    assert exact_match().decide("B", text.replace("42", "B").replace("43", "C"), "") is None


def test_what_is_said_before_the_clause_of_the_answer_denies_nothing() -> None:
    assert score_of("3", "There are not enough chairs for four, so the answer is 3.") == 10.0
    assert score_of("3", "It is not black.\n\\boxed{3}\nThe cat sits on the left.") == 10.0


@pytest.mark.parametrize(("reference", "candidate"), [
    ("5 ms", "5 m"), ("5 m", "5 ms"), ("5 mW", "5 MW"), ("5 m", "5 M"), ("7", "1 week"), ("16", "1 lb"), ("2.54", "1 in"),
    ("36", "10 m/s"), ("100", "212\u00b0F"), ("365", "1 year"),
])  # fmt: skip
def test_another_unit_is_neither_right_nor_wrong(reference: str, candidate: str) -> None:
    """`5 m` was full marks for `5 ms`."""
    judge = numeric(0.01)
    assert not judge.usable(reference) or judge.decide(reference, candidate, "") is None


@pytest.mark.parametrize("reference", [
    "5 millions", "5 lakhs", "3 thousands", "5 dozens", "5 ppm", "5 tenths", "5\u03c0", "5 pi", "5x", "5 BC", "5 years ago",
    "5 per mille", "5 MB",
])  # fmt: skip
def test_what_multiplies_is_no_unit_of_a_reference(reference: str) -> None:
    """`5` was full marks for `5 millions`, and 5,000,000 none."""
    assert not numeric().usable(reference)


@pytest.mark.parametrize("candidate", [
    '"B"', "'B'", "B,", "B!", "B;", "\uff22", "\uff08B\uff09", "[B]", "**B**. a cat", "Option B", "The answer is option B.",
    "B. a cat\n\nThe cat is on the mat.", "B - a cat",
])  # fmt: skip
def test_a_letter_however_it_is_dressed(candidate: str) -> None:
    verdict = exact_match().decide("B", candidate, QUESTION)
    assert verdict is not None and verdict.score == 10.0


QUESTION = "Which animal?\nA. a dog\nB. a cat\n(C) the U.S. flag\nD) none of these"


@pytest.mark.parametrize(("reference", "candidate", "question", "score"), [
    ("B", "B: wrong", "", None),
    ("B", "B: wrong", QUESTION, None),
    ("B", "B. is wrong", "", None),
    ("B", "B. wrong", QUESTION, None),
    ("B", "B) I am not sure", "", None),
    ("B", "B. a cat", QUESTION, 10.0),
    ("B", "B: a cat", QUESTION, 10.0),
    ("B", "(B) A cat.", QUESTION, 10.0),
    ("B", "B. a dog", QUESTION, None),
    ("C", "C. the U.S. flag", QUESTION, 10.0),
    ("D", "D) none of these", QUESTION, 10.0),
    ("B", "A. a dog", QUESTION, 0.0),
    ("B", "B. a cat", "", 10.0),
    ("B", "B", QUESTION, 10.0),
])  # fmt: skip
def test_words_after_a_letter_must_be_its_option(
    reference: str, candidate: str, question: str, score: float | None
) -> None:
    """`B: wrong` was full marks for B."""
    verdict = exact_match().decide(reference, candidate, question)
    assert (verdict.score if verdict else None) == score
