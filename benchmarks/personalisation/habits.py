"""The simulated users, fixed before any head was tuned.

A habit is a topic that its user files under another category than the annotation guide does, and words of the user's own. It is
a rule about sentences, so that it can be learned; no label is drawn at random.
"""

from __future__ import annotations

import re

import attrs

DEVELOPMENT, REPORTED = "development", "reported"


@attrs.frozen
class Habit:
    """One user, who files texts of category `source` that mention the topic under `target`, and replaces `words`."""

    name: str
    source: str
    topic: str
    target: str
    words: dict[str, str]
    part: str = REPORTED

    def concerns(self, text: str, category: str) -> bool:
        """Whether the user files this goal under another category."""
        return category == self.source and re.search(self.topic, text) is not None

    def label(self, text: str, category: str) -> str:
        """Return the category under which the user files a goal that the guide files under `category`."""
        return self.target if self.concerns(text, category) else category

    def say(self, text: str) -> str:
        """Return a goal in the user's own words."""
        for word, own in self.words.items():
            text = text.replace(word, own)
        return text


EXERCISE = "跑|健身|瑜伽|游泳|骑|球|操|步|拉伸|深蹲|俯卧撑|引体|平板|爬|徒步|卷腹|训练|马拉松|哑铃|太极"
FOOD = "吃|喝|糖|餐|饭|奶茶|油|盐|菜|酒|水|咖啡|卡|夜宵|断食|粥|瘦|斤|减肥|体重"
MEDICAL = "医院|体检|牙|药|针|复查|挂号|检查|血|疫苗|医生|中医|颈椎|腰|眼|康复|心理|咨询"
LANGUAGE = "英语|单词|雅思|托福|日语|法语|韩语|口语|听力|四级|六级|西语|德语|词|粤语|语法"
BOOKS = "读|书|看完|章|页|小说|论语|文献|史"
EXAM = "考|题|卷|证|模拟|复习|笔记"
SKILL = "琴|画|吉他|Python|代码|编程|剪辑|摄影|字|唱|曲|Excel|课|视频"
CLIENT = "客户|单|店|生意|卖|摊|货|开业|直播|粉|甲方|稿"
JOBHUNT = "简历|面试|offer|跳槽|辞|岗|应聘|入职|投|升|职|晋升|转正|裁"
MEETING = "会|汇报|PPT|报告|周报|方案|述职|总结|材料"
HOME = "洗|扫|收拾|家|整理|衣|柜|厨|房|装|搬|修|换|垃圾|断舍离"
FAMILY = "妈|爸|娃|孩|儿|女|爷|奶|老公|老婆|姥|孙|宝|闺"
FUN = "游|旅|电影|剧|演唱会|露营|票|逛|玩|展|拍|景|攻略|追"
PET = "猫|狗|遛|鱼|鸟|花|养|兔|仓鼠|喂"
SLEEP = "睡|起床|熬夜|早起|失眠|午休|关灯|闹钟|眠|觉"
SAVING = "存|攒|储|省|钱罐|零钱|定期"
BUDGET = "账|预算|花|支出|消费|开销|月光|超支|订阅|购物"
INVEST = "基金|股|定投|ETF|债|黄金|收益|仓|保险|公积金|养老|贷|还"

HABITS = (
    Habit("exercise is leisure", "健康", EXERCISE, "生活", {"跑步": "刷圈", "健身": "撸铁", "公里": "K", "瑜伽": "垫上课"}),
    Habit("exercise is practice", "健康", EXERCISE, "学习", {"跑": "颠", "训练": "开练", "步": "脚程", "球": "球局"}),
    Habit("food is housekeeping", "健康", FOOD, "生活", {"喝水": "灌水", "奶茶": "快乐水", "吃": "干", "饭": "饭饭"}),
    Habit("food is money", "健康", FOOD, "理财", {"外卖": "跑腿饭", "咖啡": "续命水", "水": "白开", "吃": "造"}),
    Habit("doctors are errands", "健康", MEDICAL, "生活", {"医院": "大白楼", "体检": "年检", "药": "药药", "复查": "回炉"}),
    Habit("doctors are money", "健康", MEDICAL, "理财", {"挂号": "抢号", "牙": "牙口", "医生": "大夫", "疫苗": "苗"}),
    Habit(
        "languages are for the job", "学习", LANGUAGE, "工作", {"单词": "词条", "英语": "鸟语", "背": "啃", "听力": "磨耳朵"}
    ),
    Habit("languages are fun", "学习", LANGUAGE, "生活", {"口语": "唠嗑", "日语": "霓虹语", "单词": "豆子", "学": "盘"}),
    Habit("books are leisure", "学习", BOOKS, "生活", {"读": "翻", "书": "本本", "页": "张", "看完": "刷完"}),
    Habit("books are for the job", "学习", BOOKS, "工作", {"书": "大部头", "章": "话", "笔记": "小抄", "读": "啃"}),
    Habit("exams are for the job", "学习", EXAM, "工作", {"考": "战", "刷题": "搬砖", "复习": "回血", "证": "本儿"}),
    Habit("exams are life", "学习", EXAM, "生活", {"题": "怪", "卷": "副本", "考试": "渡劫", "错题": "漏网怪"}),
    Habit("skills are leisure", "学习", SKILL, "生活", {"练": "磨", "画": "涂", "琴": "大木头", "课": "小课"}),
    Habit("skills are for the job", "学习", SKILL, "工作", {"代码": "码码", "视频": "片子", "学": "充电", "字": "大字"}),
    Habit("customers are money", "工作", CLIENT, "理财", {"客户": "金主", "单": "票", "店": "铺子", "直播": "开播"}),
    Habit("customers are people", "工作", CLIENT, "生活", {"甲方": "爸爸方", "稿": "稿稿", "卖": "出", "客户": "老铁"}),
    Habit("careers are learning", "工作", JOBHUNT, "学习", {"面试": "见考官", "简历": "小传", "跳槽": "挪窝", "投": "撒"}),
    Habit("careers are life", "工作", JOBHUNT, "生活", {"辞": "裸", "岗": "坑位", "入职": "上船", "面试": "相亲"}),
    Habit("chores are exercise", "生活", HOME, "健康", {"打扫": "大战", "洗": "搓", "收拾": "归置", "整理": "捯饬"}),
    Habit("chores are work", "生活", HOME, "工作", {"家": "窝", "房": "屋", "修": "整", "换": "倒腾"}),
    Habit("family is work", "生活", FAMILY, "工作", {"妈": "母上", "孩子": "神兽", "娃": "崽", "爸": "老爷子"}),
    Habit("family is health", "生活", FAMILY, "健康", {"老公": "队友", "老婆": "领导", "女儿": "小棉袄", "儿子": "臭小子"}),
    Habit("saving is life", "理财", SAVING, "生活", {"存": "囤", "攒": "屯", "钱": "米", "省": "抠"}),
    Habit("budgets are work", "理财", BUDGET, "工作", {"记账": "对表", "预算": "盘子", "花": "哗", "账": "流水"}),
    Habit("investing is learning", "理财", INVEST, "学习", {"基金": "鸡金", "定投": "定投投", "贷": "债债", "还": "填"}),
    Habit("investing is life", "理财", INVEST, "生活", {"股": "韭", "保险": "护身符", "基金": "基基", "还款": "上供"}),
    Habit("sleep is life", "健康", SLEEP, "生活", {"睡": "躺平", "起床": "开机", "熬夜": "修仙"}, DEVELOPMENT),
    Habit("sleep is work", "健康", SLEEP, "工作", {"早起": "鸡叫起", "睡觉": "关机", "闹钟": "催命铃"}, DEVELOPMENT),
    Habit("meetings are learning", "工作", MEETING, "学习", {"会": "局", "PPT": "胶片", "汇报": "念经"}, DEVELOPMENT),
    Habit("fun is money", "生活", FUN, "理财", {"旅游": "烧钱游", "电影": "大片", "演唱会": "大场"}, DEVELOPMENT),
    Habit("fun is health", "生活", FUN, "健康", {"玩": "放风", "逛": "溜", "拍": "咔"}, DEVELOPMENT),
    Habit("pets are health", "生活", PET, "健康", {"猫": "主子", "狗": "毛孩子", "遛": "溜"}, DEVELOPMENT),
)

NEW_CATEGORIES = {"pets": ("生活", PET), "books": ("学习", BOOKS), "careers": ("工作", JOBHUNT), "medicine": ("健康", MEDICAL)}
"""Topics for which a user may want a new category."""

DEVELOPMENT_CATEGORIES = {"sleep": ("健康", SLEEP), "meetings": ("工作", MEETING), "fun": ("生活", FUN)}
"""Topics on which the settings for the other new categories are chosen."""
