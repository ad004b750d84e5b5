"""What became of a WeChat article: its task, the article itself, the look-up by marker, and its deletion."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from platforms.calling import CallFailed
from platforms.frame import Accepted, Confirmed, Outcome, Refused, TryLater, Unknown
from platforms.wechat_api import UNKNOWN_ARTICLE, Account, CodeRefused, text_in
from platforms.wechat_find import find_article, has_draft, news_in, web_address
from platforms.wechat_html import marker
from platforms.wechat_words import (
    ENDED,
    GONE,
    MAY_STILL_COME,
    NOT_READ,
    NOT_THERE,
    STILL_A_DRAFT,
    STILL_PUBLISHING,
)

# A new account has 100 status calls a day for all its stories (wechat.status_a_day): not every few seconds.
FIRST_ASK_S = 60.0
ASK_AGAIN_S = 300.0
_ID = re.compile(r"[\w-]{1,200}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Ids:
    """What the platform calls ours: the task of publishing, then also the article; as text `task/article`."""

    task: str
    article: str

    @classmethod
    def read(cls, text: str | None) -> "Ids":
        task, _, article = (text or "").partition("/")
        return cls(task, article)

    def __str__(self) -> str:
        return f"{self.task}/{self.article}" if self.article else self.task


async def task_state(account: Account, ids: Ids) -> Outcome:
    """What became of the task: Accepted while it runs, Confirmed with both ids, Refused where it ended badly."""
    answer = await account.ask("/cgi-bin/freepublish/get", {"publish_id": ids.task})
    state = answer.get("publish_status")
    if state == 1:
        return Accepted(str(ids), ASK_AGAIN_S)
    if isinstance(state, int) and state in ENDED:
        return Refused(ENDED[state])
    if state != 0 or isinstance(state, bool):
        return Unknown(NOT_READ)
    detail = answer.get("article_detail")
    items = detail.get("item") if isinstance(detail, dict) else None
    first = items[0] if isinstance(items, list) and items else None
    url = web_address(first.get("article_url")) if isinstance(first, dict) else None
    return Confirmed(str(Ids(ids.task, id_in(answer, "article_id"))), url)


async def article_state(account: Account, ids: Ids) -> Outcome:
    """Whether a published article is still there: Confirmed or Refused."""
    try:
        answer = await account.ask("/cgi-bin/freepublish/getarticle", {"article_id": ids.article})
    except CodeRefused as refused:
        if refused.code == UNKNOWN_ARTICLE:
            return Refused(ENDED[GONE])
        raise
    news = news_in(answer)
    if not news:
        return Unknown(NOT_READ)
    if all(each.get("is_deleted") is True for each in news):
        return Refused(ENDED[GONE])
    return Confirmed(str(ids), web_address(news[0].get("url")))


async def looked_up(account: Account, mark: str) -> Outcome:
    """The article with the marker: Confirmed, Refused where it was deleted, else Unknown with what is known."""
    found = await find_article(account, mark)
    if found is not None:
        if found.is_deleted:
            return Refused(ENDED[GONE])
        return Confirmed(str(Ids("", found.article_id)), found.url)
    return Unknown(STILL_A_DRAFT if await has_draft(account, mark) else NOT_THERE)


async def take_back(account: Account, delivery_id: str, ids: Ids) -> Outcome:
    """Delete what the ids or, without them, the marker lead to. Confirmed: nothing of it is out any more."""
    if ids.task:
        state = await task_state(account, ids)
        if isinstance(state, Accepted):
            return TryLater(STILL_PUBLISHING, FIRST_ASK_S)
        if isinstance(state, Refused):  # it never came out, or is gone
            return Confirmed(str(ids), None)
        if isinstance(state, Unknown):
            return state
        ids = Ids.read(state.external_id if isinstance(state, Confirmed) else None)
    elif not ids.article:
        found = await find_article(account, marker(delivery_id))
        if found is None:
            return Unknown(MAY_STILL_COME)
        if found.is_deleted:
            return Confirmed(str(Ids("", found.article_id)), None)
        ids = Ids("", found.article_id)
    try:
        await account.ask("/cgi-bin/freepublish/delete", {"article_id": ids.article})
    except CodeRefused as refused:
        if refused.code != UNKNOWN_ARTICLE:  # the id is the platform's own: unknown now, it was deleted
            raise
    return Confirmed(str(ids), None)


def id_in(answer: Mapping[str, Any], key: str, *, is_final: bool = False) -> str:
    """An id of the platform in an answer. Raises CallFailed where it has none that can be one."""
    value = text_in(answer, key, is_final=is_final)
    if _ID.fullmatch(value):
        return value
    raise CallFailed(Unknown(NOT_READ))
