"""What people type in the play in Chinese, for what they type in the one in English.

Queries that are in Chinese already, or mean nothing in any language, stay as they are. The mistyped
ones have a sign that sounds or looks like the right one.
"""

from __future__ import annotations

from collections.abc import Mapping

QUERIES: Mapping[str, str] = {
    "telescope": "望远镜",
    "pizza dough": "披萨面团",
    "marathon": "马拉松",
    "compost and raised beds": "堆肥和高架种植床",
    "saxophone": "萨克斯",
    "chess endgames": "国际象棋残局",
    "camera lens": "相机镜头",
    "wool socks": "羊毛袜子",
    "bicycle chain": "自行车链条",
    "yacht anchor": "帆船抛锚",
    "fossil bones": "化石骨头",
    "python": "Python",
    "weekend in Lisbon": "里斯本的周末",
    "chisel and plane": "凿子和刨子",
    "puppy": "小狗",
    "mortgage": "房贷",
    "what may my dog eat": "我的狗能吃什么",
    "how do I stop a jumper from unravelling after a dropped stitch": "织毛衣掉针怎么不脱线",
    "things to see in Vienna": "维也纳有什么可看的",
    "telescpoe": "望远竟",
    "sourduogh": "酸面苞",
    "marahton": "马拉忪",
    "saxaphone": "萨克思",
    "dinosuar fosils": "恐笼化石",
    "mortagge": "房货",
    "pizza": "披萨",
    "tomatoes": "番茄",
    "tripod": "三脚架",
    "anchor": "锚",
    "blade": "刀片",
    "harness": "背带",
    "winter": "冬天",
    "children": "孩子",
    "Astronomy": "天文",
    "Knitting": "编织",
    "TELESCOPE": "  望远镜",
    "Sourdough Bread": "酸面包 ",
    "sourdough bread": "酸面包",
    "dinosaur fossils": "恐龙化石",
    "anything": "随便什么",
}
