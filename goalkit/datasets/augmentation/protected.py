"""Protected words: words that determine labels (docs/annotation-guide.md), which augmentations keep.

Three kinds: signs of completion (了, 已经, 还差, 打算, 明天, ✅ …), quantities (numbers, periods, 每天, 坚持 …), which
affect the difficulty, and negations (没, 不, 戒 …). When in doubt a word is protected: 天 is, even in 聊天.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt

COMPLETION, QUANTITY, NEGATION = "completion", "quantity", "negation"
KINDS = frozenset({COMPLETION, QUANTITY, NEGATION})

_DIGIT, _NUMERAL = "0-9０-９", "零〇一二两兩三四五六七八九十百千万萬亿億半几幾俩倆仨廿卅"

_SIGNS = (
    f"第[{_DIGIT}{_NUMERAL}]+",
    "[✅✔☑✓🎉🏅🏆💯🎓✌❌]",
    "完成|完赛|完結|完结|搞定|搞掂|达成|達成|终于|終於|总算|總算|结束|結束|结业|毕业|畢業|收工|收官|收摊|收尾|收到|通过|通過|上岸|拿下|拿到",
    "已经|已經|曾经|曾經|到手|打卡|成功|满勤|全勤|还清|還清|结清|清零|圆满|达标|正在|进行|進行|进度|進度|进展|一半|过半|大半|小半|还差|还剩|接着|继续|繼續",
    "持续|仍在|途中|目前|至今|打算|计划|計劃|準備|准备|目标|希望|想要|争取|必须|记得|立志|决定|决心|发誓|提醒|开始|開始|重新|以后|往后|今后",
    "今天|今日|今儿|今早|今晚|今年|明天|明日|明儿|明早|明晚|明年|后天|昨天|昨日|昨儿|昨晚|前天|去年|刚刚|刚才|现在|马上",
    "[上下这這本]个?(?:周|週|星期|礼拜|月|年|季度|学期)",
    "(?<!社)[會会](?![议議员員计計])|成(?![绩績])|(?<![觉覺晓曉懂值显顯所])得",
    "[了啦咯喽囉嘞咗完过過毕畢已曾还還再又正在着著中要想該该將将刚剛终差剩满滿]",
    "(?i:ing|done|todo|flag|finish(?:ed)?|get|ok)(?![a-z])",
)
_QUANTITIES = (
    rf"[{_DIGIT}{_NUMERAL}]+(?:[.:：/~～\-–'’×xX*][{_DIGIT}{_NUMERAL}]+)*[A-Za-z%％‰]*",
    "每|天|日(?![语語文本元])|周|週|星期|礼拜|禮拜|个月|個月|月|年|季度|学期|小时|小時|钟头|鐘頭|分钟|分鐘|秒|点|點|早|晚|夜|整|全|满|连续|連續",
    "坚持|堅持|长期|一直|永远|永不|从此|彻底|再也|养成|习惯|达到|以内|以上|之内|之前|至少|最多|不超过|左右|多|第",
)
_NEGATIONS = (
    "没有|沒有|没|沒|不|未|别|別|无|無|勿|甭|莫|非|戒|断|斷|停|禁|少|免|拒|忌|控|减|減|失败|失敗|放弃|放棄|泡汤|冇|唔|咪|除",
    "(?i:no|not|never|stop|quit)(?![a-z])",
)
_PATTERNS = {
    COMPLETION: re.compile("|".join(_SIGNS)),
    QUANTITY: re.compile("|".join(_QUANTITIES)),
    NEGATION: re.compile("|".join(_NEGATIONS)),
}


def protected_words(text: str, kinds: Collection[str] = KINDS) -> dict[str, list[str]]:
    """Return the protected words of a text by kind, in order."""
    return {kind: [found.group() for found in _PATTERNS[kind].finditer(text)] for kind in sorted(kinds)}


def same_protected(text: str, other: str, kinds: Collection[str] = KINDS) -> bool:
    """Whether two texts have the same protected words of these kinds, in the same order."""
    return protected_words(text, kinds) == protected_words(other, kinds)


def protected_mask(text: str, kinds: Collection[str] = KINDS) -> npt.NDArray[np.bool_]:
    """Return a mask of the characters that belong to protected words, bool [len(text)]."""
    mask = np.zeros(len(text), bool)
    for kind in kinds:
        for found in _PATTERNS[kind].finditer(text):
            mask[found.start() : found.end()] = True
    return mask


def free_words(words: Sequence[str], kinds: Collection[str] = KINDS) -> list[tuple[int, int]]:
    """Return (start, stop) of the words of a text that are not punctuation and have no protected character."""
    mask = protected_mask("".join(words), kinds)
    places, start = [], 0
    for word in words:
        stop = start + len(word)
        if word.isalpha() and not mask[start:stop].any():
            places.append((start, stop))
        start = stop
    return places
