"""Search: a judged set of queries over real-looking county news, visibility, filters, pages."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from states.content import AssetRef, Content
from states.events import Event
from states.item import State
from storage.search import Match, SearchFilter, put_missing_entries, search

# name -> title, text. Several are there because a careless cut would find them for the wrong word.
PIECES = {
    "bridge": ("新桥今日正式通车", "全长1.2公里的青龙河新桥今日正式通车，两岸村民出行时间缩短半小时。"),
    "flood": ("暴雨红色预警：沿河三镇连夜转移", "气象台发布暴雨红色预警，武警官兵连夜转移群众2300余人。"),
    "kimono": ("旅拍走红，和服汉服各有所爱", "景区门口的和服体验店一天接待三十多位游客。"),
    "service": ("县行政服务中心推出“一窗通办”", "产品和服务标准统一公示，群众少跑腿。"),
    "mayor": ("市长调研夏粮收购", "市长一行来到粮站，查看夏粮收购情况。"),
    "yangtze": ("自驾看南京市长江大桥", "我县车友会自驾看南京市长江大桥。"),
    "peanut": ("花生喜获丰收", "沙地花生亩产超八百斤。"),
    "flowers": ("植物园里百花生长正旺", "连日回暖，植物园里百花生长正旺，游人如织。"),
    "teacher": ("乡村教师曾祥福：三十年守一所学校", "曾祥福每天走十里山路去上课。"),
    "school": ("新学期开学第一课", "全县中小学开学，第一课讲防汛与自救。"),
    "5g": ("5G基站覆盖全部行政村", "今年新建5G基站186座，光纤入户率达98%。"),
    "wifi": ("公交车装上免费WiFi", "市民乘车可免费使用WIFI，信号稳定。"),
    "clinic": ("县医院开通远程会诊", "患者在家门口就能看上省城专家。"),
    "fraud": ("警方提醒：谨防“刷单返利”诈骗", "反诈中心劝阻一起电信网络诈骗，挽回损失12万元。"),
    "olive": ("油橄榄基地带动三百户增收", "脱贫户在家门口务工，人均月增收两千元。"),
    "dragon": ("端午龙舟赛鸣锣开赛", "二十八支队伍在青龙河上竞渡。"),
    "mascot": ("吉祥物亮相", "幸福小区的孩子们与吉祥物合影。"),
    "photo": ("图片新闻", "见图。"),
    "english": ("County hospital opens telemedicine centre", "The telemedicine centre opened on Monday."),
}
# query -> what is found by whole words; what else across other words; for the third way see below.
JUDGED: dict[str, tuple[set[str], set[str]]] = {
    "通车": ({"bridge"}, set()),
    "新桥 通车": ({"bridge"}, set()),
    "通车 新桥": ({"bridge"}, set()),
    "青龙河": ({"bridge", "dragon"}, set()),
    "暴雨": ({"flood"}, set()),
    "暴雨红色预警": ({"flood"}, set()),
    "转移群众": ({"flood"}, set()),
    "和服": ({"kimono"}, {"service"}),
    "服务": ({"service"}, set()),
    "市长": ({"mayor"}, {"yangtze"}),
    "长江大桥": ({"yangtze"}, set()),
    "大桥": ({"yangtze"}, set()),
    "花生": ({"peanut"}, {"flowers"}),
    "曾祥福": ({"teacher"}, set()),
    "祥福": ({"teacher"}, set()),
    "教师": ({"teacher"}, set()),
    "中小学": ({"school"}, set()),
    "开学": ({"school"}, set()),
    "防汛 自救": ({"school"}, set()),
    "5G": ({"5g"}, set()),
    "5g基站": ({"5g"}, set()),
    "５Ｇ基站": ({"5g"}, set()),
    "基站": ({"5g"}, set()),
    "186": ({"5g"}, set()),
    "wifi": ({"wifi"}, set()),
    "Wi": (set(), {"wifi"}),
    "远程会诊": ({"clinic"}, set()),
    "医院": ({"clinic"}, set()),
    "诈骗": ({"fraud"}, set()),
    "刷单": ({"fraud"}, set()),
    "刷单返利": ({"fraud"}, set()),
    "增收": ({"olive"}, set()),
    "家门口": ({"clinic", "olive"}, set()),
    "油橄榄": ({"olive"}, set()),
    "端午": ({"dragon"}, set()),
    "龙舟赛": ({"dragon"}, set()),
    "telemedicine": ({"english"}, set()),
    "HOSPITAL": ({"english"}, set()),
    "medicine": (set(), {"english"}),
    "青龙湖": (set(), set()),
    "通车 花生": (set(), set()),
    "%": (set(), set()),
    "_": (set(), set()),
    "。": (set(), set()),
}


@pytest.fixture(scope="module")
async def pieces(newsroom: Any) -> dict[UUID, str]:
    """Every piece, sent in, by id."""
    found = {}
    for name, (title, body) in PIECES.items():
        found[await newsroom.received(title=title, body=body, column="要闻", byline="李娜")] = name
    return found


async def _search(newsroom: Any, query: str, who: str = "chief", limit: int = 100, **more: Any) -> Any:
    async with newsroom.db.transaction() as session:
        return await search(session, newsroom.actor(who), SearchFilter(query, **more), limit)


@pytest.mark.parametrize("query", JUDGED)
async def test_query_finds_what_was_judged_words_before_parts(
    newsroom: Any, pieces: dict[UUID, str], query: str
) -> None:
    hits = [hit for hit in await _search(newsroom, query) if hit.row.id in pieces]
    by_words = {pieces[hit.row.id] for hit in hits if hit.match is Match.WORDS}
    inside = {pieces[hit.row.id] for hit in hits if hit.match is Match.PART}
    assert (by_words, inside) == JUDGED[query]
    assert [hit.match for hit in hits] == sorted(hit.match for hit in hits)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("新桥通车", {"bridge"}),
        ("端午鸣锣", {"dragon"}),
        ("群众转移", {"flood"}),
        ("福祥", set()),
        ("服务和", set()),
    ],
)
async def test_words_with_others_between_are_found_last(
    newsroom: Any, pieces: dict[UUID, str], query: str, found: set[str]
) -> None:
    hits = [hit for hit in await _search(newsroom, query) if hit.row.id in pieces]
    assert {pieces[hit.row.id] for hit in hits} == found
    assert {hit.match for hit in hits} <= {Match.APART}
    assert all(hit.excerpt and hit.excerpt.marks for hit in hits)


@pytest.mark.parametrize(
    ("query", "sentence", "marked"),
    [
        ("花生 亩产", "沙地花生亩产超八百斤。", ["花生亩产"]),
        ("５Ｇ", "5G基站覆盖全部行政村", ["5G"]),
        ("wifi", "公交车装上免费WiFi", ["WiFi"]),
        ("群众少跑腿", "产品和服务标准统一公示，群众少跑腿。", ["群众少跑腿"]),
        ("反诈中心", "反诈中心劝阻一起电信网络诈骗，挽回损失12万元。", ["反诈中心"]),
    ],
)
async def test_hit_is_shown_in_its_sentence(
    newsroom: Any, pieces: dict[UUID, str], query: str, sentence: str, marked: list[str]
) -> None:
    (hit,) = (hit for hit in await _search(newsroom, query) if hit.row.id in pieces)
    assert hit.excerpt.sentence == sentence
    assert [sentence[start:end] for start, end in hit.excerpt.marks] == marked


async def test_long_sentence_is_cut_around_the_hit(newsroom: Any) -> None:
    item = await newsroom.received(title="长句", body="前" * 300 + "独脚金" + "后" * 300)
    (hit,) = await _search(newsroom, "独脚金")
    start, end = hit.excerpt.marks[0]
    assert (hit.row.id, len(hit.excerpt.sentence)) == (item, 120)
    assert hit.excerpt.sentence[start:end] == "独脚金"


async def test_draft_is_found_by_its_author_alone(newsroom: Any) -> None:
    draft = (await newsroom.draft(title="未送审的梅雨稿")).id
    assert [hit.row.id for hit in await _search(newsroom, "梅雨", "writer")] == [draft]
    for who in ("other_writer", "duty", "chief", "admin"):
        assert await _search(newsroom, "梅雨", who) == []


async def test_newest_revision_is_found_and_the_one_before_is_not(newsroom: Any) -> None:
    item = await newsroom.received(title="旧题目莲藕")
    await newsroom.send(item, Event.CLAIM, "duty")
    content = Content(title="新题目茭白", body="正文。", assets=(AssetRef("a" * 64, "a.jpg", "塘里的菱角"),))
    await newsroom.send(item, Event.EDIT, "duty", content=content)
    assert await _search(newsroom, "莲藕") == []
    assert [hit.row.id for hit in await _search(newsroom, "茭白")] == [item]
    assert [hit.row.id for hit in await _search(newsroom, "菱角")] == [item]


async def test_filters_narrow_what_is_found(newsroom: Any) -> None:
    first = await newsroom.received(title="荸荠上市", column="农事", byline="王强 李娜")
    second = await newsroom.in_state(State.FIRST_REVIEW, title="荸荠价格", column="要闻", byline="张敏")

    async def found(**more: Any) -> set[UUID]:
        return {hit.row.id for hit in await _search(newsroom, "荸荠", **more)}

    now = datetime.now(UTC)
    assert await found() == {first, second}
    assert await found(column="农事") == {first}
    assert await found(byline="张") == {second}
    assert await found(byline="%") == set()
    assert await found(states=(State.FIRST_REVIEW,)) == {second}
    assert await found(since=now - timedelta(hours=1), until=now + timedelta(hours=1)) == {first, second}
    assert await found(until=now - timedelta(hours=1)) == set()
    assert await found(platform="app") == set()
    published = await newsroom.in_state(State.PUBLISHED, title="荸荠节")
    assert await found() == {first, second, published}
    assert await found(platform="app") == await found(platform="app", states=(State.PUBLISHED,))


async def test_pages_of_both_kinds_follow_each_other_without_gap_or_repeat(newsroom: Any) -> None:
    words = [await newsroom.received(title=f"豆腐第{number}家") for number in range(5)]
    parts = [await newsroom.received(title=f"红豆腐乳{number}号") for number in range(3)]
    seen: list[UUID] = []
    after = None
    while page := await _search(newsroom, "豆腐", limit=2, after=after):
        seen += [hit.row.id for hit in page]
        after = (page[-1].match, page[-1].at, page[-1].row.id)
    assert set(seen) >= {*words, *parts}
    assert len(seen) == len(set(seen))


async def test_missing_and_outdated_entries_are_made_again(newsroom: Any) -> None:
    lost, old = [await newsroom.received(title=f"{name}开园") for name in ("枇杷", "杨梅")]
    async with newsroom.db.transaction() as session:
        connection = await session.connection()
        await connection.execute(text("DELETE FROM search_entry WHERE submission_id = :id"), {"id": lost})
        stale = (
            "UPDATE search_entry SET cut_version = 0, words = '{}', pairs = '{}' WHERE submission_id = :id"
        )
        await connection.execute(text(stale), {"id": old})
    assert await _search(newsroom, "枇杷") == await _search(newsroom, "杨梅") == []
    async with newsroom.db.transaction() as session:
        assert await put_missing_entries(session, 100) == 2
        assert await put_missing_entries(session, 100) == 0
    assert [hit.row.id for hit in await _search(newsroom, "枇杷")] == [lost]
    assert [hit.row.id for hit in await _search(newsroom, "杨梅")] == [old]
