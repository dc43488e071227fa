"""Data set folders made of logs, and checked."""

from __future__ import annotations

import gzip
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from edge_rerank.errors import DataError
from edge_rerank.evaluation.choice_lists import draw_lists
from edge_rerank.evaluation.evaluate import evaluate
from edge_rerank.formats.dataset import DataSet, Request, Withheld
from edge_rerank.formats.layout import FileLayout
from edge_rerank.tables.people import Choice
from edge_rerank.types import EventType
from edge_rerank_export.cli import EXIT_USAGE, main
from edge_rerank_export.datasets.check import Violation, check
from edge_rerank_export.datasets.convert import Conversion, convert
from edge_rerank_export.datasets.summary import scripts_of
from edge_rerank_export.errors import RecipeError
from edge_rerank_export.train.domain import read_domain, unread
from edge_rerank_export.verify.texts import texts_of
from tests.export.records import read_packed

from .conftest import Folder

VIEWS = FileLayout(type=EventType.VIEW)
KINDS = {"tea": "Green tea of", "map": "Map of", "pan": "Iron pan from"}
PLACES = ("Assam", "Bergen", "Cadiz", "Delhi", "Erfurt", "Fes", "Gera", "Hue", "Ise", "Jena")


def write_log(
    path: Path, rows: list[tuple[object, ...]], header: str = "user,item,timestamp"
) -> Path:
    lines = [header, *(",".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def shop(rng: random.Random, people: int = 40) -> list[tuple[object, ...]]:
    """People who keep to one kind of thing, one event an hour in no order of the file."""
    rows: list[tuple[object, ...]] = []
    for person in range(people):
        kind = rng.choice(list(KINDS))
        for turn in range(rng.randrange(2, 12)):
            item = f"{kind}-{rng.randrange(len(PLACES))}"
            rows.append(
                (f"person-{person}", item, 1_600_000_000 + 3600 * rng.randrange(5_000) + turn)
            )
    rng.shuffle(rows)
    return rows


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_log(tmp_path_factory.mktemp("log") / "shop.csv", shop(random.Random(0)))


@pytest.fixture(scope="module")
def catalogue(log: Path) -> Path:
    items = [
        f"{kind}-{number};{words} {place};{kind}"
        for kind, words in KINDS.items()
        for number, place in enumerate((*PLACES, "Kyoto"))
    ]
    path = log.with_name("items.csv")
    path.write_text("\n".join(["sku;title;category", *items, "tea-0;Again;tea"]), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def made(log: Path, catalogue: Path) -> Path:
    """A folder, by the command."""
    out = log.with_name("set")
    named = ["--items", str(catalogue), "--map-items", "id=sku"]
    arguments = ["data", "convert", str(log), "--type", "view", *named, "--out", str(out)]
    assert main([*arguments, "--seed", "7"]) == 0
    return out


def test_the_past_knows_nothing_of_the_future(made: Path) -> None:
    info = json.loads((made / "info.json").read_text())
    train = [time for one in read_packed(made / "train.jsonl.gz") for time in one["timestamps"]]
    valid = [one["timestamp"] for one in read_packed(made / "valid.jsonl.gz")]
    test = [one["timestamp"] for one in read_packed(made / "test.jsonl.gz")]
    assert max(train) < info["valid_from"] <= min(valid)
    assert max(valid) < info["test_from"] <= min(test)
    for split in ("valid", "test"):
        for one in read_packed(made / f"{split}.jsonl.gz"):
            assert one["history"]
            assert all(event["timestamp"] < one["timestamp"] for event in one["history"])


def test_what_is_beside_the_choice_was_there(made: Path, log: Path) -> None:
    rows = [row.split(",") for row in log.read_text().splitlines()[1:]]
    firsts: dict[tuple[str, str], int] = {}
    for user, item, time in rows:
        firsts[user, item] = min(int(time), firsts.get((user, item), int(time)))
    enough = Counter(user for user, _ in firsts)
    users = list(dict.fromkeys(row[0] for row in rows))
    asked = 0
    for split in ("valid", "test"):
        for one in read_packed(made / f"{split}.jsonl.gz"):
            asked += 1
            user, (clicked,), now = users[int(one["user"])], one["clicked"], one["timestamp"]
            assert firsts[user, clicked] == now
            assert len(set(one["candidates"])) == len(one["candidates"]) == 20
            before = Counter(
                item for (whose, item), at in firsts.items() if at < now and enough[whose] >= 3
            )
            assert one["popularity"] == [before[item] for item in one["candidates"]]
            assert min(one["popularity"]) >= 1
            others = set(one["candidates"]) - {clicked}
            assert not [item for item in others if (user, item) in firsts]
    assert asked > 30


def test_a_folder_is_split_anew_at_one_moment(dated_folder: Path, tmp_path: Path) -> None:
    assert any("later than a list" in one for one in check(dated_folder).remarks)
    out = tmp_path / "anew"
    command = ["data", "convert", str(dated_folder), "--out", str(out), "--split-at", "1970-01-03"]
    assert main(command) == 0
    train, valid, test = (
        read_packed(out / f"{name}.jsonl.gz") for name in ("train", "valid", "test")
    )
    learnt = [time for one in train for time in one["timestamps"]]
    assert max(learnt) < min(one["timestamp"] for one in valid)
    assert max(one["timestamp"] for one in valid) < 172_800
    assert min(one["timestamp"] for one in test) >= 172_800
    assert (check(out).violations, check(out).remarks) == ((), ())
    # A history says more of a moment than the training part: a bounce is nobody's choice.
    bounced = {
        str(number): one["history"][2]["item"]
        for number, one in enumerate(map(json.loads, (dated_folder / "test.jsonl").open()))
    }
    for one in (*valid, *test):
        assert one["clicked"] != [bounced[one["user"]]]
    for one in train:
        assert bounced[one["user"]] not in one["items"]
    # What is taken out of a log's searches is taken out of a folder's.
    queries = {event.get("query") for one in (*valid, *test) for event in one["history"]}
    assert queries == {None, "tea for [email]"}
    assert main([*command[:-2], "--type", "view"]) == EXIT_USAGE


def test_a_folder_that_is_split_anew_keeps_what_is_known_of_people(
    dated_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = [json.loads(line) for line in (dated_folder / "train.jsonl").open()]
    users = [
        *({"user": one["user"], "attributes": {"first": one["items"][0]}} for one in train[5:]),
        {"user": "stranger", "attributes": {"first": "nothing"}},
    ]
    # In another order than that in which the people are numbered.
    text = "".join(f"{json.dumps(one)}\n" for one in reversed(users))
    (dated_folder / "users.jsonl").write_text(text)
    out = tmp_path / "anew"
    assert main(["data", "convert", str(dated_folder), "--out", str(out)]) == 0
    assert "25 people" in capsys.readouterr().err
    made = DataSet.open(out).attributes()
    assert len(made) == 25
    firsts = {one.user: one.items[0] for one in DataSet.open(out).sequences()}
    assert len(firsts.keys() & made.keys()) >= 20
    for user in firsts.keys() & made.keys():
        assert made[user] == {"first": firsts[user]}
    text = gzip.decompress((out / "users.jsonl.gz").read_bytes()).decode()
    assert "stranger" not in text
    assert '"u1' not in text
    (dated_folder / "users.jsonl").unlink()
    bare = tmp_path / "bare"
    assert main(["data", "convert", str(dated_folder), "--out", str(bare)]) == 0
    assert not DataSet.open(bare).has("users")


@pytest.fixture
def dated_folder(folder: Folder) -> Path:
    """Each of 30 people is asked for their last choice, and many choose afterwards."""
    rng = random.Random(2)
    train, test = [], []
    for person in range(30):
        times = sorted(rng.sample(range(1, 400_000), 9))
        items = [f"i{number}" for number in rng.sample(range(12), 9)]
        dwell = [0.5 if n == 2 else None for n in range(8)]
        train.append({"user": f"u{person}", "items": items[:-1], "timestamps": times[:-1]})
        test.append(
            {
                "user": f"u{person}",
                "history": [
                    {"item": item, "timestamp": time, "dwell_s": seconds}
                    for item, time, seconds in zip(items, times, dwell, strict=False)
                ]
                + [{"type": "search", "query": "tea for ada@example.org", "timestamp": times[0]}],
                "candidates": [items[-1], "i99"],
                "clicked": [items[-1]],
                "timestamp": times[-1],
            }
        )
    catalogue = [{"id": f"i{number}", "text": f"Thing {number}"} for number in range(12)]
    return folder(items=catalogue, train=train, test=test)


def test_popularity_alone_does_not_win_and_the_place_tells_nothing(made: Path) -> None:
    data = DataSet.open(made)
    requests = [*data.requests("valid"), *data.requests("test")]
    places = [[item.id in one.clicked for item in one.candidates].index(True) for one in requests]
    assert abs(np.mean(places) - 9.5) < 2.5


def test_the_catalogue_counts_the_training_part(made: Path) -> None:
    data = DataSet.open(made)
    counts = Counter(item for one in data.sequences() for item in one.items)
    assert {name: item.popularity or 0 for name, item in data.items.items()} == {
        name: counts[name] for name in data.items
    }
    assert data.items["tea-0"].text == "Green tea of Assam"
    assert data.items["pan-10"].popularity == 0


def test_the_popularity_of_the_time_counts_in_requests(made: Path) -> None:
    (raw,) = read_packed(made / "test.jsonl.gz")[:1]
    data = DataSet.open(made)
    (request,) = data.requests("test", limit=1)
    assert [item.popularity for item in request.candidates] == raw["popularity"]
    (blind,) = data.without({Withheld.POPULARITY}).requests("test", limit=1)
    assert {item.popularity for item in blind.candidates} == {None}


def test_same_seed_same_bytes_another_seed_other_lists(
    made: Path, log: Path, catalogue: Path, tmp_path: Path
) -> None:
    named = ["--items", str(catalogue), "--map-items", "id=sku"]
    arguments = ["data", "convert", str(log), "--type", "view", *named]
    for seed in ("7", "8"):
        assert main([*arguments, "--seed", seed, "--out", str(tmp_path / seed)]) == 0
    for name in ("items", "train", "valid", "test"):
        file = f"{name}.jsonl.gz"
        assert (tmp_path / "7" / file).read_bytes() == (made / file).read_bytes()
    test = read_packed(tmp_path / "8" / "test.jsonl.gz")
    assert test != read_packed(made / "test.jsonl.gz")
    assert [one["clicked"] for one in test] == [
        one["clicked"] for one in read_packed(made / "test.jsonl.gz")
    ]


def test_it_names_nobody(made: Path) -> None:
    for path in made.iterdir():
        raw = path.read_bytes()
        assert b"person" not in (gzip.decompress(raw) if path.suffix == ".gz" else raw)


def test_what_eval_finetune_and_verify_read(made: Path) -> None:
    assert check(made).violations == ()
    report = evaluate("shipped", made, "test", limit=12)
    scores = {name: one.to_dict()["ndcg@10"] for name, one in report.orders.items()}
    assert scores["pack"] > scores["random"]
    domain = read_domain(made, unread)
    assert len(domain.valid.candidates) > 10
    assert len(domain.choices) > 50
    assert len(texts_of(made, split="test", limit=5).cases) == 5


def test_the_summary(
    log: Path, catalogue: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    extra = (
        log.read_text() + "x,unknown-1,1600000001\nx,unknown-1,1600000001\n,tea-1,5\nx,tea-1,soon\n"
    )
    path = tmp_path / "log.csv"
    path.write_text(extra)
    named = ["--items", str(catalogue), "--map-items", "id=sku", "--type", "view"]
    out = tmp_path / "set"
    assert main(["data", "convert", str(path), *named, "--out", str(out), "--json"]) == 0
    printed = capsys.readouterr()
    summary = json.loads(printed.out)
    assert summary == json.loads((out / "info.json").read_text())
    wanted = {
        **{"items_unknown": 1, "items_without_text": 1, "items_repeated": 1},
        **{"of_nobody": 1, "repeated": 1, "bad": 1, "items": 34},
    }
    assert {name: summary[name] for name in wanted} == wanted
    assert summary["people"] + summary["people_left_out"] == 41
    assert 0 < summary["repeats"] < 1
    assert summary["scripts"] == {"Latin": 1.0}
    lines_ = len(extra.splitlines())
    assert f"line {lines_}: timestamp: expected" in printed.err
    assert "soon" not in printed.err
    counts = {split: len(read_packed(out / f"{split}.jsonl.gz")) for split in ("valid", "test")}
    assert summary["lists"] == counts


def test_choices_are_what_the_runtime_takes_for_them(tmp_path: Path) -> None:
    rows: list[tuple[object, ...]] = []
    for user in range(12):
        for turn in range(5):
            at = 1_700_000_000 + 1000 * user + turn
            rows.append((user, f"i{turn}", at, "rating", 5 if turn != 1 else 1, ""))
        rows.append((user, "bounced", at + 1, "view", "", 1))
        rows.append((user, "bounced", at + 2, "purchase", "", ""))
        rows.append((user, "", at + 3, "search", "", ""))
    path = write_log(tmp_path / "log.csv", rows, "user,item,timestamp,type,value,dwell_s")
    text = path.read_text().replace("search,,", "search,,,tea for ada@example.org")
    path.write_text(
        "\n".join(
            line if line.count(",") == 6 else f"{line}," for line in text.splitlines()
        ).replace("dwell_s,", "dwell_s,query")
    )
    made = convert(path, [], tmp_path / "set", Conversion(min_events=2))
    assert made.bad == ()
    chosen = {
        item for one in read_packed(tmp_path / "set" / "train.jsonl.gz") for item in one["items"]
    }
    assert chosen == {"i0", "i2", "i3", "i4"}
    assert made.summary.repeats == pytest.approx(12 / (12 * 5))
    raw = gzip.decompress((tmp_path / "set" / "test.jsonl.gz").read_bytes())
    assert b"example.org" not in raw


def test_negatives_are_half_popular_half_any() -> None:
    crowd = [Choice(float(n), n, "hit" if n % 2 else f"rare-{n}") for n in range(2_000)]
    asked = [Choice(5_000.0, 9_000 + n, "rare-2") for n in range(300)]
    touched = {one.person: frozenset[str]() for one in asked}
    made = list(draw_lists(crowd, asked, touched, negatives=19, seed=0))
    share = np.mean(["hit" in one.items for one in made])
    # Of 9 draws by popularity to the power of 3/4, and 10 among 1,001 items.
    weight = 1000**0.75 / (1000**0.75 + 1000)
    assert share == pytest.approx(1 - (1 - weight) ** 9 * (1 - 1 / 1001) ** 10, abs=0.08)
    others = Counter(item for one in made for item in one.items if item not in {"hit", "rare-2"})
    assert len(others) > 990
    assert {len(one.items) for one in made} == {20}


@pytest.mark.parametrize(
    ("rows", "arguments", "reason"),
    [
        ([], {}, "expected people with 3 choices"),
        ([("u", "a", 1), ("u", "b", 2)], {}, "expected people with 3 choices"),
        ([("u", n, n) for n in range(9)], {}, "expected some of each"),
        (
            [("u", "a", "never")] * 2,
            {},
            r"3 choices or more, found none: 2 lines could not be used, as line 2: time",
        ),
        ([(n, "a", n) for n in range(9)], {"min_events": 2}, "expected people with 2 choices"),
        ([(n, f"i{k}", 5) for n in range(9) for k in range(4)], {}, "expected some of each"),
    ],
)
def test_logs_that_give_nothing(
    tmp_path: Path, rows: list[tuple[object, ...]], arguments: dict[str, int], reason: str
) -> None:
    path = write_log(tmp_path / "log.csv", rows)
    with pytest.raises(DataError, match=reason):
        convert(path, [], tmp_path / "set", Conversion(**arguments), layout=VIEWS)
    assert [one.name for one in tmp_path.iterdir()] == ["log.csv"]


def test_wrong_usage(log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ({"min_events": 1}, {"valid": 0.5, "test": 0.5}, {"test": 0.0}):
        with pytest.raises(RecipeError):
            Conversion(**arguments)  # type: ignore[arg-type]
    with pytest.raises(RecipeError, match="nothing there yet"):
        convert(log, [], tmp_path, Conversion(), layout=VIEWS)
    undated = write_log(tmp_path / "log.csv", [("u", "a")], "user,item")
    assert main(["data", "convert", str(undated), "--type", "view", "--out", "x"]) == EXIT_USAGE
    assert main(["data", "check", str(tmp_path / "none")]) == EXIT_USAGE
    assert "expected a data set folder" in capsys.readouterr().err


def test_scripts() -> None:
    assert scripts_of(["Tea 5 %", "чай", "茶茶茶"]) == {
        "Latin": pytest.approx(1 / 3),
        "Cyrillic": pytest.approx(1 / 3),
        "Cjk": pytest.approx(1 / 3),
    }
    assert scripts_of([]) == {}


events = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 12), st.integers(0, 400)), min_size=25, max_size=90
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.filter_too_much], deadline=None)
@given(events, st.integers(0, 3), st.integers(1, 8))
def test_any_log_that_converts_loads_and_is_in_order(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[int, int, int]],
    seed: int,
    negatives: int,
) -> None:
    base = tmp_path_factory.mktemp("any")
    path = write_log(base / "log.csv", list(rows))
    conversion = Conversion(seed=seed, negatives=negatives, valid=0.25, test=0.25)
    try:
        summary = convert(path, [], base / "set", conversion, layout=VIEWS).summary
    except DataError:
        assume(False)
        raise
    assert check(base / "set").violations == ()
    data = DataSet.open(base / "set")
    learnt = [(one.user, item) for one in data.sequences() for item in one.items]
    assert len(learnt) == len(set(learnt)) == summary.train
    numbers = {str(n): user for n, user in enumerate(dict.fromkeys(row[0] for row in rows))}
    deeds = {(user, str(item), time) for user, item, time in rows}
    asked: list[Request] = [*data.requests("valid"), *data.requests("test")]
    assert len(asked) == sum(summary.lists.values())
    for one in asked:
        (clicked,) = one.clicked
        user = numbers[str(one.user)]
        assert (user, clicked, one.timestamp) in deeds
        assert {(user, event.item.id, event.timestamp) for event in one.history if event.item} == {
            deed for deed in deeds if deed[0] == user and deed[2] < (one.timestamp or 0)
        }
        assert 2 <= len(one.candidates) <= negatives + 1


ITEMS = [{"id": "a", "text": "A"}, {"id": "b", "text": "B"}]
TRAIN = [{"user": "u", "items": ["a"], "timestamps": [5]}]
GOOD = {
    **{"user": "u", "history": [{"item": "a", "timestamp": 5}], "candidates": ["b", "a"]},
    **{"clicked": ["b"], "timestamp": 9},
}


@pytest.mark.parametrize(
    ("name", "line", "reason"),
    [
        ("items", {"id": "a"}, "id: expected each item once"),
        ("items", {"text": "A"}, "item id: expected a string"),
        ("items", {"id": "c", "popularity": -1}, "popularity"),
        ("items", "{", "not JSON"),
        ("items", "[1]", "expected one JSON object, got list"),
        ("items", '{"id": "\xff"}', "expected UTF-8"),
        ("train", {"user": "u", "items": ["b"], "timestamps": [1]}, "each person once"),
        ("train", {"user": "v", "items": ["a", "b"], "timestamps": [2, 1]}, "oldest first"),
        ("train", {"user": "v", "items": ["a"], "timestamps": [1, 2]}, "as long as items"),
        ("train", {"user": "v"}, "items: expected a list"),
        ("test", {**GOOD, "clicked": ["c"]}, "expected ids from candidates"),
        ("test", {**GOOD, "candidates": ["b", "b"]}, "candidates: expected each item once"),
        ("test", {**GOOD, "history": [{"item": "a", "timestamp": 10}]}, "got a later one"),
        ("test", {**GOOD, "clicked": ["a"], "timestamp": 5}, "train does not hold"),
        ("test", {**GOOD, "popularity": [1]}, "popularity: expected a list as long"),
        ("test", {**GOOD, "popularity": [1, -1]}, "popularity: expected a finite number"),
        ("test", {**GOOD, "dwell_s": []}, "dwell_s: expected a list"),
        ("test", {**GOOD, "query": 5}, "query: expected"),
        ("test", {**GOOD, "timestamp": "soon"}, "timestamp: expected"),
        ("test", {**GOOD, "user": ""}, "user: expected"),
        ("test", {**GOOD, "history": [{"type": "stare", "item": "a"}]}, "type: expected"),
        ("users", {"user": "u", "attributes": {"age": 30}}, "value: expected a string, got int"),
        ("users", {"user": "w", "attributes": ["age"]}, "expected an object of strings"),
        ("users", {"attributes": {"age": "30-39"}}, "user: expected"),
        ("users", {"user": "v"}, "user: expected each person once"),
    ],
)
def test_every_rule_has_its_line(
    folder: Folder,
    capsys: pytest.CaptureFixture[str],
    name: str,
    line: Any,
    reason: str,
) -> None:
    files = {"items": list(ITEMS), "train": list(TRAIN), "test": [GOOD], "users": [{"user": "v"}]}
    files[name] = [*files[name], line, "", "{"]
    made = folder(**files)
    found = check(made)
    first, last = found.violations
    assert (first.file, first.line) == (f"{name}.jsonl", len(files[name]) - 2)
    assert reason in first.reason
    assert last == Violation(f"{name}.jsonl", len(files[name]), last.reason)  # it goes on
    assert main(["data", "check", str(made), "--json"]) == EXIT_USAGE
    printed = capsys.readouterr()
    assert json.loads(printed.out) == json.loads(json.dumps(found.to_dict()))
    assert f"{name}.jsonl:{first.line}: " in printed.err.replace("\n", "")
    assert "breaks the format in 2 places" in printed.err


def test_missing_doubled_and_unreadable_files(folder: Folder, tmp_path: Path) -> None:
    made = folder(test=[GOOD])
    (missing,) = check(made).violations
    assert str(missing) == "data: expected items.jsonl.gz or items.jsonl, found neither"
    (made / "items.jsonl.gz").write_bytes(b"no gzip")
    (broken,) = check(made).violations
    assert (broken.file, broken.line) == ("items.jsonl.gz", None)
    (made / "items.jsonl").write_text('{"id": "a"}\n')
    assert "found both" in check(made).violations[0].reason
    (made / "items.jsonl.gz").unlink()
    (made / "test.jsonl").unlink()
    (none,) = check(made).violations
    assert "file of requests, found none" in none.reason


def test_remarks_are_no_violations(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    made = folder(
        items=[{"id": "a"}, {"id": "b", "text": "B"}],
        users=[
            {"user": "u", "age": 5},
            *({"user": n, "attributes": {"age": "30-39" if n else "20-29"}} for n in range(21)),
        ],
        test=[
            GOOD,
            {**GOOD, "clicked": [], "user": None},
            {**GOOD, "clicked": ["a", "b"]},
            {**GOOD, "history": [], "candidates": ["b", "c"]},
        ],
    )
    assert main(["data", "check", str(made)]) == 0
    said = capsys.readouterr().err
    for remark in (
        "1 of 2 items have no text",
        "1 of 8 ids are not in the catalogue",
        "1 requests without a click",
        "1 requests with nothing but what was clicked",
        "1 requests with neither history nor query",
        "no train and no train_requests",
        "of what was not clicked occurs nowhere before",
        "known of people: age: 21 people, 2 values, 1 of them rare",
        "users.jsonl: 21 of 22 people are in no other file",
        "in order: 2 in items.jsonl, 4 in test.jsonl, 22 in users.jsonl",
    ):
        assert remark in said
    assert "30-39" not in said
    assert check(made).to_dict()["attributes"] == {"age": {"people": 21, "values": 2, "rare": 1}}


@pytest.mark.slow
def test_the_development_sets_are_in_order(data_folder: Path) -> None:
    for name in ("movies", "courses-zh", "grocery-open"):
        assert check(data_folder / name).violations == ()
