"""A course platform in Chinese: a course that is finished, levels, and titles that nobody reads.

``python -m examples.courses.main multilingual`` uses the shipped pack that reads Chinese, which
``Reranker.open()`` takes of itself.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from edge_rerank import Event, EventType, Item, Ranking, Reason, ReasonCode, Reranker
from examples.story import Scene, Words, at, read_items, tell, title_of

COURSES = read_items(Path(__file__).parent / "items.jsonl")
LEVELS = ("入门", "进阶", "高级")
WORDS = Words(
    columns=("变动", "现在的列表", "理由"),
    days=("周一", "周二", "周三", "周四", "周五", "周六", "周日"),
    gone="不再排在前 {} 位（现在的位置）：",
    new="新",
    spans=("{:.0f} 秒", "{:.0f} 分钟"),
    deeds={
        EventType.VIEW: "看了",
        EventType.COMPLETE: "学完了",
        EventType.SEARCH: "搜索",
        EventType.DISMISS: "不感兴趣",
    },
)
REASONS = {
    ReasonCode.SIMILAR: "与你选过的相似",
    ReasonCode.SESSION: "与你正在看的相似",
    ReasonCode.CATEGORY: "同类课程",
    ReasonCode.POPULAR: "学的人多",
    ReasonCode.QUERY: "符合搜索",
    ReasonCode.HOST: "难度合适",
    ReasonCode.HABIT: "你常回来学",
}
"""A reason is a code; an application says it in its own language."""


def in_chinese(reason: Reason) -> str:
    """A reason in the platform's words."""
    if reason.item_id in COURSES:
        return f"因为你选了《{title_of(COURSES[reason.item_id])}》"
    return f"{REASONS[reason.code]}：{reason.category}" if reason.category else REASONS[reason.code]


def why(ranking: Ranking) -> list[str]:
    """For each course what lifts it."""
    return [
        "；".join(
            in_chinese(one) for one in ranked.reasons if one.weight > 0 and one.code in REASONS
        )
        for ranked in ranking
    ]


def for_level(courses: list[Item], level: str) -> list[Item]:
    """The platform's score: a course of the level that comes next is worth more."""
    wanted = LEVELS.index(level)
    return [
        replace(one, score=-abs(LEVELS.index(str(one.fields["level"])) - wanted)) for one in courses
    ]


def story(reranker: Reranker) -> Iterator[Scene]:
    """What Xiaolin learnt, and what the platform shows her."""
    reranker.consent("xiaolin", True)
    courses = list(COURSES.values())
    for_everybody = reranker.rank(courses, now=at(0, "19:00"))
    learnt = [
        Event("view", COURSES["py-first"], dwell_s=1500, timestamp=at(0, "19:00")),
        Event("complete", COURSES["py-first"], timestamp=at(20, "21:00")),
        Event("view", COURSES["py-data"], dwell_s=240, timestamp=at(20, "21:05")),
        Event("view", COURSES["yoga"], dwell_s=2, timestamp=at(20, "21:10")),
    ]
    reranker.record(learnt, user="xiaolin")
    hers = reranker.rank(courses, user="xiaolin", now=at(20, "21:11"))
    unread = f"读不懂的标题：{hers.unread.candidates:.0%}"
    yield Scene("小林学完了 Python 入门", learnt, for_everybody, hers, [unread])

    ready = reranker.rank(for_level(courses, "进阶"), user="xiaolin", now=at(20, "21:12"))
    yield Scene("平台知道她可以进阶了：用 score 说", [], hers, ready)

    for query in ("数据库", "怎么拍星星"):
        stranger = reranker.rank(courses, query=query, now=at(20, "21:13"))
        found = reranker.rank(courses, user="xiaolin", query=query, now=at(20, "21:13"))
        lost = ["这个搜索读不懂，列表不变。"] if _unread(found) else []
        yield Scene(f"搜索“{query}”（与陌生人相比）", [], stranger, found, lost, shown=5)


def _unread(ranking: Ranking) -> bool:
    """Whether the search was not understood; its very words are found in any language."""
    codes = {one.code for ranked in ranking for one in ranked.reasons}
    return ranking.unread.query > 0 and ReasonCode.QUERY not in codes


if __name__ == "__main__":
    with Reranker.open(sys.argv[1] if len(sys.argv) > 1 else "shipped") as opened:
        tell(story(opened), why, WORDS)
