"""A simulated fleet's report for people: text and page say what the figures say."""

from __future__ import annotations

from typing import Any

import pytest

from edge_rerank_export.fleet.federation.simulation.page import as_html
from edge_rerank_export.fleet.federation.simulation.words import as_text, gain_rows, membership_rows


def told(auc: float, control: float = 0.5) -> dict[str, Any]:
    return {
        "auc": auc,
        "interval": [auc - 0.06, auc + 0.06],
        "control": control,
        "more": auc - control,
        "more_interval": [auc - control - 0.02, auc - control + 0.02],
    }


def drawn(auc: float, plain: float = 0.59) -> dict[str, Any]:
    return {
        "auc": auc,
        "interval": [auc - 0.02, auc + 0.02],
        "more": 0.011,
        "more_interval": [-0.004, 0.026],
        "plain": plain,
        "plain_interval": [plain - 0.02, plain + 0.02],
    }


def figures(**change: Any) -> dict[str, Any]:
    stop = {"ndcg_with": 0.52, "gain": 0.04, "gain_interval": [0.01, 0.07], "ndcg_without": 0.5}
    fleet = {
        "epsilon": 8.0,
        "delta": 1e-6,
        "clip": 1.0,
        "noise": 3.316,
        "clients": 100,
        "rounds": 20,
        "spent_epsilon": 7.9987,
        "device_epsilon": {"least": 4.25, "median": 5.5, "most": 6.75},
        "devices_a_round_taken": [97, 100],
        "membership": {
            "along": told(0.48),
            "likelihood": told(0.51),
            "distance": told(0.61, control=0.6),
            "beside": told(0.52),
        },
        "membership_drawn": {
            "along": drawn(0.487, plain=0.51),
            "likelihood": drawn(0.486),
            "distance": drawn(0.499),
            "beside": drawn(0.539),
        },
        "canaries_in_histories": 200,
        "canaries_on_the_wire": 0,
        "sealed_answers": 2_000,
        "bytes_an_answer": 772,
        "reach_of_a_hostile_device": {"huge": 0.001, "not a number": 0.0, "<b>": 0.0},
        "reach_of_an_honest_device_at_most": 0.001,
        "who_sees_what": {"the server": "each clipped vector"},
        "by_round": [
            {"round": 5, "spent_epsilon": 3.8, **stop, "ndcg_with": 0.51, "gain": 0.02},
            {"round": 20, "spent_epsilon": 7.9987, **stop},
        ],
        **stop,
        **change,
    }
    plan = {
        "devices": 200, "clients": 100, "lists": 40, "first": 10, "others": 200, "fleets": 16,
        "seed": 3,
    }  # fmt: skip
    return {"data": "films", "pack": "default 5", "plan": plan, "fleets": [fleet]}


def test_gain_stands_beside_each_round_and_what_it_cost() -> None:
    rows = gain_rows(figures()["fleets"][0])
    assert rows[0][:3] == ("none", "0", "0.5000")
    assert rows[1] == ("5", "3.80", "0.5100", "+2.0%", "+1.0% to +7.0%")
    assert rows[2] == ("20", "8.00", "0.5200", "+4.0%", "+1.0% to +7.0%")


@pytest.mark.parametrize(
    "told",
    [
        "200 devices, 100 a round, 40 lists each",
        "noise 3.316 times that on the sum of 100",
        "97 to 100 of 100",
        "ε 4.25 to 6.75, half of them at most 5.50; 8.00 by whoever was in every round",
        "over 16 fleets of 200 drawn at random from 400 people (AUC, 0.5 is a guess)",
        "nobody who is judged took part",
        "0.519 to 0.559",
        "-0.004 to +0.026",
        "by distance 0.610 (0.550 to 0.670) and 0.600",
        "200 devices have one in their history; in 2,000 answers of 772 bytes, sealed and opened, "
        "there are 0",
        "the server",
        "each clipped vector",
    ],
)
def test_text_and_page_say_the_same(told: str) -> None:
    assert told in as_text(figures(), width=100)
    assert told in as_html(figures())


def test_an_area_stands_beside_what_the_attack_finds_where_there_is_no_privacy() -> None:
    rows = {name: cells for name, *cells in membership_rows(figures()["fleets"][0])}
    beside = ["0.487", "0.467 to 0.507", "+0.011", "-0.004 to +0.026", "0.510"]
    assert rows["along its mean"] == beside
    worst = "<b>0.539</b>AUC of membership along its mean, beside the other; 0.590 of plain means"
    assert worst in as_html(figures())


def test_a_canary_that_leaked_is_in_large_print() -> None:
    assert "<b>3</b>canaries in 2,000 answers" in as_html(figures(canaries_on_the_wire=3))


def test_a_device_that_reaches_further_is_in_large_print() -> None:
    page = as_html(figures(reach_of_a_hostile_device={"huge": 0.02}))
    assert "<b>20.00 ×</b>" in page


def test_the_page_loads_nothing_and_escapes_what_it_shows() -> None:
    page = as_html(figures())
    assert "default-src 'none'" in page
    assert "&lt;b&gt;" in page
    assert "http" not in page.replace("http-equiv", "")
    assert "<svg" in page
