from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from edge_rerank.errors import DataError
from edge_rerank.evaluation.evaluate import evaluate
from edge_rerank.evaluation.fairness import Fairness, LeftOut, fairness
from edge_rerank.evaluation.outcomes import FIGURES, Outcomes
from edge_rerank.evaluation.report_html import as_html
from edge_rerank.formats.dataset import Request

from .conftest import ITEMS, TRAIN, Folder


def outcomes(values: Sequence[float]) -> Outcomes:
    """Of requests with these NDCG@10."""
    figures = np.full((len(values), len(FIGURES)), np.nan)
    figures[:, FIGURES.index("ndcg@10")] = values
    nothing = np.zeros(0)
    return Outcomes(figures, [], nothing, None, nothing.astype(bool))


def judge(
    people: Mapping[str, Mapping[str, str]], users: Sequence[str | None], values: Sequence[float]
) -> Fairness:
    requests = [Request(user, (), (), frozenset()) for user in users]
    rng = np.random.default_rng(0)
    return fairness(people, requests, {"pack": outcomes(values)}, rng)


def everybody(**counts: int) -> tuple[dict[str, dict[str, str]], list[str]]:
    """So many people of each age, one request each."""
    users = [f"{age}{number}" for age, count in counts.items() for number in range(count)]
    return {user: {"age": re.sub(r"\d", "", user)} for user in users}, users


def test_a_gap_by_hand() -> None:
    people, users = everybody(old=40, young=60)
    values = [0.25] * 40 + [0.75] * 60
    found = judge(people, users, values)
    old, young = found.groups
    assert (old.attribute, old.value, old.requests, old.people) == ("age", "old", 40, 40)
    assert old.ndcg_10["pack"].mean == 0.25
    assert old.ndcg_10["pack"].difference == -0.5
    assert old.ndcg_10["pack"].interval == (0.25, 0.25)
    assert old.ndcg_10["pack"].difference_interval == (-0.5, -0.5)
    assert old.ndcg_10["pack"].significant
    assert (young.requests, young.ndcg_10["pack"].difference) == (60, 0.5)
    assert found.left_out == ()
    assert "largest gap: age: old, -0.500 to the rest" in found.sentences("pack")[0]
    assert "beyond chance among 2 groups" in found.sentences("pack")[0]


def test_no_gap_is_found_where_there_is_none() -> None:
    people, users = everybody(old=200, young=200)
    values = np.random.default_rng(5).permutation(np.linspace(0, 1, 400))
    found = judge(people, users, values.tolist())
    for group in found.groups:
        one = group.ndcg_10["pack"]
        assert not one.significant
        assert one.difference_interval.low < 0 < one.difference_interval.high
    assert "which chance may give" in found.sentences("pack")[0]


def test_the_chance_is_that_of_scipy() -> None:
    scipy_stats = pytest.importorskip("scipy.stats")
    people, users = everybody(old=35, young=70)
    values = np.random.default_rng(3).beta(1, 2, 105)
    values[:35] += 0.09
    one = judge(people, users, values.tolist()).groups[0].ndcg_10["pack"]
    theirs = scipy_stats.permutation_test(
        (values[:35], values[35:]),
        lambda a, b, axis: a.mean(axis) - b.mean(axis),
        n_resamples=20_000,
        vectorized=True,
        rng=np.random.default_rng(0),
    )
    # Two groups, so twice the chance of one.
    assert one.p_holm == pytest.approx(2 * theirs.pvalue, abs=0.02)
    interval = scipy_stats.bootstrap(
        (values[:35], values[35:]),
        lambda a, b, axis: a.mean(axis) - b.mean(axis),
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    assert one.difference_interval == pytest.approx((interval.low, interval.high), abs=0.02)


def test_small_groups_are_joined_or_left_out_and_said() -> None:
    people, users = everybody(a=40, b=40, c=20, d=15)
    found = judge(people, users, [0.5] * len(users))
    assert [(one.value, one.requests) for one in found.groups] == [
        ("a", 40),
        ("b", 40),
        ("2 others", 35),
    ]
    assert found.left_out == ()
    people, users = everybody(a=40, b=40, c=20, d=9)
    found = judge(people, users, [0.5] * len(users))
    assert [one.value for one in found.groups] == ["a", "b"]
    # The rest is those of any other value, the small ones among them.
    assert found.left_out == (LeftOut("age", 2, 29),)
    assert ": 2 of age (29 requests)" in found.sentences("pack")[1]


def test_nothing_is_said_by_what_is_missing_beside_a_large_group() -> None:
    people, users = everybody(a=60, b=10)
    found = judge(people, users, [0.9] * 60 + [0.1] * 10)
    assert found.groups == ()
    assert found.left_out == (LeftOut("age", 2, 70),)
    assert "no group of people has 30 requests of 20 people" in found.sentences("pack")[0]


def test_many_requests_of_few_people_are_no_group() -> None:
    people = {"x": {"age": "old"}, **{f"p{n}": {"age": "young"} for n in range(40)}}
    users = ["x"] * 50 + [f"p{n}" for n in range(40)]
    assert judge(people, users, [0.5] * 90).groups == ()


def test_people_of_whom_nothing_is_known_are_a_group() -> None:
    people, users = everybody(old=30, young=30)
    somebody: list[str | None] = [*users, *(f"z{n}" for n in range(30)), *[None] * 10]
    found = judge(people, somebody, [0.5] * 60 + [0.25] * 40)
    last = found.groups[-1]
    assert (last.attribute, last.value, last.requests, last.people) == (
        None,
        "nothing known",
        40,
        40,
    )
    assert last.ndcg_10["pack"].difference == -0.25
    # They are not among the rest of those of whom the attribute is known.
    assert found.groups[0].ndcg_10["pack"].difference == 0


def test_requests_without_a_click_judge_nothing() -> None:
    people, users = everybody(old=31, young=31)
    values = [np.nan, *[0.5] * 30] * 2
    assert [one.requests for one in judge(people, users, values).groups] == [30, 30]
    values = [np.nan, np.nan, *[0.5] * 29] * 2
    assert judge(people, users, values).groups == ()


def test_values_stand_in_the_order_of_their_numbers() -> None:
    ages = ["Under 15K", "15-24K", "100K+", "No answer"]
    people = {f"{age} {n}": {"income": age} for age in ages for n in range(30)}
    found = judge(people, list(people), [0.5] * len(people))
    assert [one.value for one in found.groups] == ["No answer", "Under 15K", "15-24K", "100K+"]


def a_folder(folder: Folder, users: list[Any] | None) -> Path:
    """Readers of bread and of space, the one half older than the other."""
    requests = [
        {
            "user": f"person-{number}",
            "history": [{"item": "bread" if number % 2 else "moon", "timestamp": 10}],
            "candidates": ["sourdough", "mars"],
            "clicked": ["sourdough" if number % 2 else "mars"],
            "timestamp": 30,
        }
        for number in range(80)
    ]
    files: dict[str, Any] = {"items": ITEMS, "train": TRAIN, "test": requests}
    return folder(**files) if users is None else folder(**files, users=users)


READERS = [
    {"user": f"person-{n}", "attributes": {"age": "60 <b>" if n % 2 else "20", "lone": f"{n}"}}
    for n in range(80)
]


def test_a_report_tells_of_groups_and_of_nobody(folder: Folder) -> None:
    report = evaluate(None, a_folder(folder, READERS), "test")
    found = json.loads(report.to_json())["fairness"]
    assert [(one["value"], one["requests"]) for one in found["groups"]] == [
        ("20", 40),
        ("60 <b>", 40),
    ]
    # Mars is the most popular: those of 60, who read of bread, never get it from popularity.
    most = [one["ndcg_10"]["popularity"] for one in found["groups"]]
    assert [one["difference"] for one in most] == pytest.approx([0.36907, -0.36907], abs=1e-4)
    assert found["left_out"] == [{"attribute": "lone", "values": 80, "requests": 80}]
    assert found["largest_gap"]["attribute"] == "age"
    page = as_html(report)
    assert "By what is known of people" in page
    assert "60 &lt;b&gt;" in page
    assert "60 <b>" not in page
    for told in (page, report.to_json()):
        assert "person-" not in told
    for picture in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        ElementTree.fromstring(picture)
    assert report == evaluate(None, a_folder(folder, READERS), "test")


def test_a_folder_that_says_nothing_of_people(folder: Folder) -> None:
    report = evaluate(None, a_folder(folder, None), "test")
    assert report.fairness is None
    assert json.loads(report.to_json())["fairness"] is None
    assert "known of people" not in as_html(report)


def test_a_folder_that_says_too_little_of_people(folder: Folder) -> None:
    report = evaluate(None, a_folder(folder, READERS[:8]), "test")
    found = json.loads(report.to_json())["fairness"]
    assert (found["groups"], found["largest_gap"]) == ([], None)
    assert "No group of people has 30 requests" in as_html(report)


def test_malformed_people_are_told_before_the_work(folder: Folder) -> None:
    made = a_folder(folder, [*READERS, {"user": "x", "attributes": {"age": 60}}])
    with pytest.raises(DataError, match=r"users.jsonl:81: attributes: value"):
        evaluate("nowhere", made, "test")
