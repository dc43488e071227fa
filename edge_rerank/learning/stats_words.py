"""Words of statistics in the reader's language: labels, units, notes, in one table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from string import Formatter
from types import MappingProxyType

from edge_rerank.errors import InvalidRequest
from edge_rerank.learning.figures import Figure
from edge_rerank.learning.stats import Note
from edge_rerank.render.words import is_chinese

MISSING = "–"
"""Where nothing is known."""

PHRASES: Mapping[str, str] = MappingProxyType(
    {
        "title": "List statistics",
        "shown": "lists shown: {lists}",
        "share": "{value} %",
        "share.range": "{low}–{high} %",
        "mean.range": "{low} to {high}",
        "with.range": "{value} ({range})",
        "intervals": "With 95 % intervals.",
        "fact.click_through": "of lists had a choice",
        "fact.satisfied": "mean satisfaction",
        "fact.place": "mean place of what was chosen",
        "fact.mrr": "mean reciprocal rank",
        "fact.rating": "mean rating, of {lists} lists",
        "all": "all",
        "other": "other",
        "lists": "lists",
        "refused": "refused",
        "click_through": "click-through",
        "satisfied": "satisfied",
        "place": "place",
        "mrr": "MRR",
        "rating": "rating",
        "by_month": "By month",
        "by_surface": "By surface",
        "by_order": "By order",
        "by_order.what": "The newest lists, by the order they were shown in. With 95 % intervals.",
        "order.pack": "the pack's",
        "order.learnt": "with what was learnt",
        "order.host": "the application's",
        "order.mixed": "both, in turn",
        "places": "Places",
        "places.what": "Lists by the place of what was chosen.",
        "variety": "Variety",
        "variety.what": "Of the first ten places: of the newest lists in the mean, and what of all "
        "that was offered in this month and the last came there.",
        "diversity.categories": "intra-list diversity by categories",
        "diversity.vectors": "intra-list diversity by texts or vectors",
        "diversity.recall": "categories of the candidates that are there",
        "figure": "figure",
        "coverage.items": "items",
        "coverage.categories": "categories",
        "coverage.shown": "shown",
        "coverage.offered": "offered",
        "coverage.share": "coverage",
        "coverage.gini": "Gini",
        "against": "Against other orders",
        "against.what": "Where what was chosen would have stood.",
        "against.host": "the application's order",
        "against.pack": "without what was learnt",
        "against.place": "place as shown",
        "against.other": "place there",
        "against.higher": "higher by",
        "against.mrr": "MRR gained",
        "against.line": "what was chosen, against {order}: place {place} as shown, {other} there, "
        "higher by {higher}; {lists} lists",
        "estimates": "Off-policy estimates",
        "estimates.what": "Successes a list earns on its first ten places: as shown, and without "
        "what was learnt.",
        "estimate.shown": "as shown",
        "estimate.ips": "IPS",
        "estimate.snips": "SNIPS",
        "estimate.rips": "RIPS",
        "estimate.dm": "direct",
        "estimate.dr": "doubly robust",
        "successes": "successes",
        "effective": "effective lists",
        "estimate.line": "successes a list, {estimator}: {value}; {lists} effective lists",
        "notes": "Caveats",
        "note": "note: {note}",
        "note.no-list": "no list is noted: lists count that were ranked for the person with "
        "learning, after consent",
        "note.not-against-host": "not compared with the application's order: fewer than {need} of "
        "the newest lists have a choice and a place in it",
        "note.not-against-pack": "not compared with the pack's order: fewer than {need} of the "
        "newest lists have a choice and a place in it",
        "note.favours-shown": "people choose more of what stands high, so where an order puts what "
        "was chosen favours the order that was shown",
        "note.no-estimates": "no off-policy estimates: they need {need} lists of which something "
        "was left to chance, and {have} of the newest {newest} are such",
        "note.out-of-reach": "at {have} % of the places chance never shows what the other order "
        "has there: IPS and RIPS count it as earning nothing, the others guess",
        "note.clipped": "up to {have} % of an estimate's weights were clipped at 10: part of what "
        "rare lists earned is left out",
        "note.few-effective": "an estimate rests on {have} effective lists: below {need} its "
        "interval is too narrow",
    }
)
"""Our own words in English, by what they are for: what a host can replace or translate."""

_CHINESE: Mapping[str, str] = {
    "title": "列表效果",
    "shown": "已展示 {lists} 个列表",
    "share": "{value}%",
    "share.range": "{low}–{high}%",
    "mean.range": "{low} 至 {high}",
    "with.range": "{value}（{range}）",
    "intervals": "附 95% 置信区间。",
    "fact.click_through": "的列表中有内容被选择",
    "fact.satisfied": "平均满意度",
    "fact.place": "被选内容的平均位置",
    "fact.mrr": "平均倒数排名",
    "fact.rating": "平均评分，共 {lists} 个列表",
    "all": "全部",
    "other": "其他",
    "lists": "列表",
    "refused": "拒绝",
    "click_through": "点击率",
    "satisfied": "满意度",
    "place": "位置",
    "mrr": "MRR",
    "rating": "评分",
    "by_month": "按月份",
    "by_surface": "按展示位",
    "by_order": "按排序方式",
    "by_order.what": "最近的列表，按展示时的排序方式划分。附 95% 置信区间。",
    "order.pack": "模型包的排序",
    "order.learnt": "含本机学习结果",
    "order.host": "应用自身的排序",
    "order.mixed": "两者交错",
    "places": "位置分布",
    "places.what": "按被选内容的位置统计的列表数。",
    "variety": "多样性",
    "variety.what": "针对前十个位置：最近列表的平均值，以及本月和上月的候选内容有多少出现在其中。",
    "diversity.categories": "列表内多样性（按类别）",
    "diversity.vectors": "列表内多样性（按文本或向量）",
    "diversity.recall": "候选类别中出现的比例",
    "figure": "数值",
    "coverage.items": "内容",
    "coverage.categories": "类别",
    "coverage.shown": "已展示",
    "coverage.offered": "候选",
    "coverage.share": "覆盖率",
    "coverage.gini": "基尼系数",
    "against": "与其他排序比较",
    "against.what": "被选内容在其他排序中的位置。",
    "against.host": "应用自身的排序",
    "against.pack": "不含本机学习结果",
    "against.place": "展示位置",
    "against.other": "另一排序中的位置",
    "against.higher": "提前位数",
    "against.mrr": "MRR 提升",
    "against.line": "被选内容与“{order}”比较：展示位置 {place}，另一排序中 {other}，"
    "提前 {higher} 位；{lists} 个列表",
    "estimates": "离线策略估计",
    "estimates.what": "每个列表前十个位置获得的成功次数：实际展示，以及不含本机学习结果时。",
    "estimate.shown": "实际展示",
    "estimate.dm": "直接法",
    "estimate.dr": "双重稳健",
    "successes": "成功次数",
    "effective": "有效列表数",
    "estimate.line": "每个列表的成功次数，{estimator}：{value}；有效列表数 {lists}",
    "notes": "注意事项",
    "note": "注意：{note}",
    "note.no-list": "没有列表记录：只统计在本人同意后、开启学习时为其排序的列表",
    "note.not-against-host": "未与应用自身的排序比较："
    "最近的列表中，有选择且在其中有位置的不足 {need} 个",
    "note.not-against-pack": "未与模型包的排序比较："
    "最近的列表中，有选择且在其中有位置的不足 {need} 个",
    "note.favours-shown": "靠前的内容更常被选择，因此以被选内容的位置作比较，有利于实际展示的排序",
    "note.no-estimates": "没有离线策略估计：需要 {need} 个含随机成分的列表，"
    "最近 {newest} 个列表中只有 {have} 个",
    "note.out-of-reach": "在 {have}% 的位置上，随机调整不会展示另一排序放在那里的内容："
    "IPS 和 RIPS 将其计为没有收益，其他方法只能推测",
    "note.clipped": "某一估计中最多 {have}% 的权重被截断为 10：罕见列表的部分收益未计入",
    "note.few-effective": "有估计仅基于 {have} 个有效列表：少于 {need} 个时其区间过窄",
}


@dataclass(frozen=True, slots=True)
class StatsWords:
    """Words of statistics. What is left out is English.

    Attributes:
        phrases: by what they are for, as ``{"title": "Statistik der Listen"}``: the names and the
            places to fill in are those of ``StatsWords.ours()``.
        lang: language of these, a BCP 47 tag.

    Raises:
        InvalidRequest: when there is no phrase of such a name, or one has another place to fill
            in.
    """

    phrases: Mapping[str, str] = field(default_factory=dict, hash=False)
    lang: str = "en"

    def __post_init__(self) -> None:
        for name, phrase in self.phrases.items():
            if name not in PHRASES:
                raise InvalidRequest("phrases: expected names of StatsWords.ours(); got another")
            if not _places(phrase) <= _places(PHRASES[name]):
                wanted = ", ".join(sorted(_places(PHRASES[name]))) or "nothing"
                raise InvalidRequest(f"{name}: expected {wanted} alone to be filled in")

    @staticmethod
    def ours() -> Mapping[str, str]:
        """Our own words in English by what they are for, to be translated."""
        return PHRASES

    @classmethod
    def of(cls, lang: str) -> StatsWords:
        """Our own words for a language: Chinese for ``zh`` and its kin, English for all others.

        Args:
            lang: a BCP 47 tag.
        """
        return CHINESE if is_chinese(lang) else ENGLISH

    def say(self, name: str, **values: object) -> str:
        """A phrase, filled in."""
        return self.phrases.get(name, PHRASES[name]).format(**values)

    def note(self, note: Note) -> str:
        """A note of :attr:`edge_rerank.Stats.notes` in words."""
        counts = {"have": note.have, "need": note.need, "newest": note.newest}
        return self.say(f"note.{note.code}", **counts)

    def percent(self, figure: Figure | None) -> str:
        """A share with its interval, as "12 % (8–17 %)"."""
        return self.joined(*self.percent_parts(figure))

    def number(self, figure: Figure | None, digits: int = 1) -> str:
        """A number with its interval, as "3.4 (2.9 to 3.9)"."""
        return self.joined(*self.number_parts(figure, digits))

    def percent_parts(self, figure: Figure | None) -> tuple[str, str]:
        """A share and its interval, empty where it has none."""
        if figure is None:
            return MISSING, ""
        value = self.say("share", value=f"{figure.value * 100:.0f}")
        if figure.low is None or figure.high is None:
            return value, ""
        low, high = f"{figure.low * 100:.0f}", f"{figure.high * 100:.0f}"
        return value, self.say("share.range", low=low, high=high)

    def number_parts(self, figure: Figure | None, digits: int = 1) -> tuple[str, str]:
        """A number and its interval, empty where it has none."""
        if figure is None:
            return MISSING, ""
        value = f"{figure.value:.{digits}f}"
        if figure.low is None or figure.high is None:
            return value, ""
        low, high = f"{figure.low:.{digits}f}", f"{figure.high:.{digits}f}"
        return value, self.say("mean.range", low=low, high=high)

    def joined(self, value: str, between: str) -> str:
        """A figure and its interval in one."""
        return self.say("with.range", value=value, range=between) if between else value


def _places(phrase: str) -> set[str]:
    try:
        return {one[1] for one in Formatter().parse(phrase) if one[1] is not None}
    except ValueError:
        return {""}


ENGLISH = StatsWords()
CHINESE = StatsWords(MappingProxyType(_CHINESE), "zh")
