"""Our article among the published ones, and our draft in the draft box, by the marker in its link."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from platforms.wechat_api import Account

_PAGE = 20  # the most that the platform gives at once
_PAGES = 5  # of 100 calls a day (wechat.published_list_a_day)


@dataclass(frozen=True, slots=True)
class Found:
    """A published article: its id, its address where one was given, and whether it was deleted since."""

    article_id: str
    url: str | None
    is_deleted: bool


async def find_article(account: Account, mark: str) -> Found | None:
    """The published article with the marker; None where it is not among the first hundred listed.

    The documents name no order of the list and no delay, so None is no proof. Raises as `Account.ask` does.
    """
    item, news = await _marked(account, "/cgi-bin/freepublish/batchget", mark)
    article_id = item.get("article_id")
    if not isinstance(article_id, str) or not article_id:
        return None
    return Found(article_id, web_address(news.get("url")), news.get("is_deleted") is True)


async def has_draft(account: Account, mark: str) -> bool:
    """Whether the draft with the marker is among the first hundred of the draft box. Raises as `Account.ask` does."""
    item, _ = await _marked(account, "/cgi-bin/draft/batchget", mark)
    return bool(item)


def news_in(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The articles in an answer; none where it has another form."""
    news = body.get("news_item")
    return [each for each in news if isinstance(each, dict)] if isinstance(news, list) else []


def web_address(value: object) -> str | None:
    """The value where it is a web address of sensible length; an answer is not trusted blindly."""
    if isinstance(value, str) and value.startswith(("https://", "http://")) and len(value) <= 2000:
        return value
    return None


async def _marked(account: Account, path: str, mark: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The listed item with the marker and its article; both empty where there is none."""
    for page in range(_PAGES):
        # Without the bodies, twenty of which may be larger than any answer we read.
        asked = {"offset": page * _PAGE, "count": _PAGE, "no_content": 1}
        items = (await account.ask(path, asked)).get("item")
        if not isinstance(items, list):
            break
        for item in items:
            content = item.get("content") if isinstance(item, dict) else None
            for news in news_in(content) if isinstance(content, dict) else ():
                if mark in str(news.get("content_source_url", "")):
                    return item, news
        if len(items) < _PAGE:
            break
    return {}, {}
