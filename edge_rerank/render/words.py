"""Words around a ranking in the reader's language: heading, labels, reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from string import Formatter

from edge_rerank.errors import InvalidRequest
from edge_rerank.types import ReasonCode

_RIGHT_TO_LEFT = frozenset(
    (
        *("ar", "arc", "ckb", "dv", "fa", "he", "ks", "nqo"),
        *("ps", "sd", "syr", "ug", "ur", "yi"),
    )
)
_RIGHT_TO_LEFT_SCRIPTS = frozenset(["adlm", "arab", "hebr", "nkoo", "rohg", "syrc", "thaa"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Words around a ranking. What is left out is English.

    Attributes:
        heading: what stands above a ranking, where ``as_html()`` is given no other.
        impersonal: likewise, where nothing of a person went into it; the heading if empty.
        empty: what an empty ranking says.
        why: what the list of reasons is called; only a screen reader says it.
        because: likeness to an item of the history, whose title takes the place of ``{title}``.
        looks, sounds: likewise, where that is what they have in common.
        of_category: a category that is known by name, which takes the place of ``{category}``.
        reasons: by :class:`~edge_rerank.ReasonCode` or its value, words for what moves an item up
            and for what moves it down.

    Raises:
        InvalidRequest: when one of them has another place to fill in.
    """

    heading: str = "Picked for you"
    impersonal: str = ""
    empty: str = "Nothing to show."
    why: str = "Why you see this"
    because: str = "because you chose {title}"
    looks: str = "looks like {title}"
    sounds: str = "sounds like {title}"
    of_category: str = "from {category}, which you like"
    reasons: Mapping[str, tuple[str, str]] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        titled = (("because", "title"), ("looks", "title"), ("sounds", "title"))
        for name, place in (*titled, ("of_category", "category")):
            try:
                found = {one[1] for one in Formatter().parse(getattr(self, name))} - {None}
            except ValueError:
                found = {""}
            if not found <= {place}:
                raise InvalidRequest(f"{name}: expected {{{place}}} alone to be filled in")

    def reason(self, code: ReasonCode, *, lifts: bool) -> str:
        """Words for a code that moves an item up, or down."""
        up, down = self.reasons.get(code, (code.lifts, code.lowers))
        return up if lifts else down

    @classmethod
    def of(cls, lang: str) -> Words:
        """Our own words for a language: Chinese for ``zh`` and its kin, English for all others.

        Args:
            lang: a BCP 47 tag.
        """
        return CHINESE if is_chinese(lang) else ENGLISH


ENGLISH = Words(impersonal="Suggestions")

CHINESE = Words(
    heading="为您推荐",
    impersonal="推荐",
    empty="暂无内容。",
    why="推荐理由",
    because="因为您选择了“{title}”",
    looks="外观像“{title}”",
    sounds="听起来像“{title}”",
    of_category="来自您喜欢的“{category}”",
    reasons={
        ReasonCode.SIMILAR: ("与您之前选择的相似", "与您之前选择的不同"),
        ReasonCode.SESSION: ("与您正在看的相似", "与您正在看的不同"),
        ReasonCode.CATEGORY: ("来自您喜欢的类别", "来自您很少选择的类别"),
        ReasonCode.NEXT: ("您接下来常看的内容", "您接下来很少看的内容"),
        ReasonCode.QUERY: ("符合您的搜索", "与您的搜索相差较远"),
        ReasonCode.SEARCH: ("符合您之前的搜索", "与您之前的搜索相差较远"),
        ReasonCode.POPULAR: ("受大家欢迎", "知道的人较少"),
        ReasonCode.HOST: ("此处推荐", "在此处排位靠后"),
        ReasonCode.DISLIKED: ("与您不喜欢的不同", "与您不喜欢的相似"),
        ReasonCode.DISMISSED: ("您未曾拒绝", "您曾经拒绝"),
        ReasonCode.REPEAT: ("您之前选择过", "您之前已经用过"),
        ReasonCode.HABIT: ("您常回来看的", "不是您常回来看的"),
        ReasonCode.SEEN: ("之前未向您展示", "之前已向您展示"),
        ReasonCode.MODEL: ("与您之前的选择相配", "与您之前的选择不同"),
        ReasonCode.LEARNT: ("与您常从列表中选的相似", "与您常在列表中略过的相似"),
        ReasonCode.TOGETHER: ("常与您选择的一同被选", "很少与您选择的一同被选"),
        ReasonCode.LOOKS: ("外观与您选择的相似", "外观与您拒绝的相似"),
        ReasonCode.SOUNDS: ("听起来与您选择的相似", "听起来与您拒绝的相似"),
        ReasonCode.FRESH: ("新发布", "发布已久"),
        ReasonCode.FATIGUE: ("未向您过多展示", "多次展示而您未选择"),
        ReasonCode.ROTATED: ("刚才未向您展示", "刚才已向您展示"),
        ReasonCode.BLOCKED: ("未被屏蔽", "已被屏蔽"),
        ReasonCode.FLOOR: ("足够相关", "相关性不足"),
        ReasonCode.COPY: ("与其他内容不重复", "与另一项几乎相同"),
        ReasonCode.DECAY: ("同类中最靠前", "同类已有排在前面的"),
        ReasonCode.CAP: ("同类数量不多", "同类在前面已足够多"),
        ReasonCode.CALIBRATED: ("符合您平常选择的搭配", "同类已占足份额"),
        ReasonCode.VARIETY: ("让内容更多样", "前面已有相似内容"),
        ReasonCode.SPREAD: ("与同类错开", "附近已有同类"),
        ReasonCode.PINNED: ("固定在此位置", "固定在靠后位置"),
        ReasonCode.EXPLORED: ("试着排前一位", "试着排后一位"),
    },
)


def is_chinese(lang: str) -> bool:
    """Whether a BCP 47 tag is that of Chinese."""
    return _subtags(lang)[0] in {"zh", "cmn"}


def direction(lang: str) -> str:
    """The way a language is written, "ltr" or "rtl"; ``lang`` is a BCP 47 tag."""
    language, *rest = _subtags(lang)
    scripts = [one for one in rest if len(one) == 4 and one.isalpha()]
    if scripts:
        return "rtl" if scripts[0] in _RIGHT_TO_LEFT_SCRIPTS else "ltr"
    return "rtl" if language in _RIGHT_TO_LEFT else "ltr"


def _subtags(lang: str) -> list[str]:
    return lang.lower().replace("_", "-").split("-")
