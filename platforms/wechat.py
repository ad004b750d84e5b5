"""The WeChat official account (公众号): cover, pictures, draft, publication, polling, look-up and deletion.

Written from the platform's documents (read 2026-11-22); the live service was not reached. Only freepublish/submit
cannot be undone: all before it may be repeated, and leaves at worst an unused picture or draft behind.
"""

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from platforms.calling import CallFailed, broken_off
from platforms.frame import (
    Accepted,
    DestinationConfig,
    HandedOff,
    Outcome,
    Platform,
    Problem,
    Refused,
    Sent,
    Tools,
    TryLater,
    Unknown,
    missing_renditions,
    refuse_missing,
)
from platforms.story import Story, StoryFile, StoryRendition
from platforms.wechat_api import NO_MEDIA, Account, CodeRefused, Tokens, text_in
from platforms.wechat_find import web_address
from platforms.wechat_html import (
    COVER_PROFILE,
    STILL_PROFILE,
    article_html,
    cover_of,
    marker,
    pictures_of,
    source_link,
    square_crop,
)
from platforms.wechat_limits import LIMITS, LINK_BYTES, body_problems, line, problems_of
from platforms.wechat_state import (
    ASK_AGAIN_S,
    FIRST_ASK_S,
    Ids,
    article_state,
    id_in,
    looked_up,
    take_back,
    task_state,
)
from platforms.wechat_words import LINK_TOO_LONG, correct_list, kept_draft
from states.text import Text


class WechatPlatform(Platform):
    """One article a story. Settings: `app_id`, and `api_url` where a gateway stands in; the secret is the AppSecret.

    A submit that broke off is looked up by a marker in the article's "阅读原文" link, which the platform's lists of
    published articles and of drafts give back.
    """

    name = "wechat"
    label = Text(zh="微信公众号", en="WeChat official account")
    # The square cover is cut by the platform out of the wide one: draft/add takes a single picture.
    renditions: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType(
        {"video": (COVER_PROFILE,), "still": (COVER_PROFILE, STILL_PROFILE)}
    )
    is_idempotent = False
    can_look_up = True
    limits = LIMITS

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._tokens = Tokens(clock)

    def check(self, story: Story) -> tuple[Problem, ...]:
        """What is missing or past a limit in texts, cover and pictures, each with limit and source."""
        return problems_of(story)

    async def publish(
        self, story: Story, destination: DestinationConfig, delivery_id: str, tools: Tools
    ) -> Outcome:
        """Accepted with the id of the task, which `status` is asked for; nothing is confirmed here."""
        problems, link = problems_of(story), source_link(story, tools.site, delivery_id)
        if problems:
            return Refused(problems[0].text)
        if len(link.encode()) > (LINK_BYTES.value or 0):
            return Refused(LINK_TOO_LONG)
        missing, cover = _missing(self, story), cover_of(story)
        if missing or cover is None or cover.rendition is None:
            return refuse_missing(missing)
        try:
            account = Account(destination, tools, self._tokens)
            article = await _article(story, cover.rendition, link, account, tools)
            added = await account.ask("/cgi-bin/draft/add", {"articles": [article]})
            return await _submit(account, text_in(added, "media_id"))
        except CallFailed as failed:
            return failed.outcome

    async def status(self, story: Story, destination: DestinationConfig, sent: Sent, tools: Tools) -> Outcome:
        """Confirmed with the article's address, Accepted while it is published or cannot be asked, Refused where it
        failed, was deleted or was blocked later on; Unknown where the look-up finds nothing, which is no proof.
        """
        del story
        ids = Ids.read(sent.external_id)
        try:
            account = Account(destination, tools, self._tokens)
            if ids.task:
                return await task_state(account, ids)
            if ids.article:
                return await article_state(account, ids)
            return await looked_up(account, marker(sent.delivery_id))
        except CallFailed as failed:
            # Of a look-up these must not mean "send it again": that is only for the publication itself.
            if isinstance(failed.outcome, TryLater) and sent.external_id:
                return Accepted(sent.external_id, failed.outcome.retry_after_s or ASK_AGAIN_S)
            return Unknown(failed.outcome.text)

    async def correct(
        self, story: Story, destination: DestinationConfig, delivery_id: str, before: Sent, tools: Tools
    ) -> Outcome:
        """HandedOff with what a person does: the platform has no call that changes a published article."""
        key = f"handoffs/{delivery_id}/correct.txt"
        text = correct_list(story, destination, Ids.read(before.external_id).article)
        await tools.put_private(key, text.encode(), "text/plain; charset=utf-8")
        return HandedOff(url=None, files=MappingProxyType({"correct.txt": key}))

    async def retract(
        self,
        story: Story,
        destination: DestinationConfig,
        delivery_id: str,
        tools: Tools,
        sent: Sent | None = None,
    ) -> Outcome:
        """Confirmed where nothing of it is out any more. The deletion is for good, as the documents warn. Without the
        ids in `sent`, the article is looked up by the marker.
        """
        del story
        try:
            account = Account(destination, tools, self._tokens)
            return await take_back(account, delivery_id, Ids.read(sent.external_id if sent else None))
        except CallFailed as failed:
            # A deletion done twice harms nothing, so a break in it is tried again.
            return failed.outcome


def _missing(platform: Platform, story: Story) -> tuple[tuple[str, str], ...]:
    # Of the stills only the first one's cover is used, so the others' hold nothing up.
    cover, pictures = cover_of(story), pictures_of(story)
    used = {(item.media.asset_sha256, item.profile) for item in (*pictures, *((cover,) if cover else ()))}
    return tuple(pair for pair in missing_renditions(platform, story) if pair in used)


async def _article(
    story: Story, cover: StoryRendition, link: str, account: Account, tools: Tools
) -> dict[str, Any]:
    """The article as draft/add takes it, its cover and pictures uploaded. Raises CallFailed."""
    thumb = await _upload(account, tools, "/cgi-bin/material/add_material", cover.primary, type="image")
    addresses: dict[str, str] = {}
    for item in pictures_of(story):
        if item.rendition is not None:
            hosted = await _upload(account, tools, "/cgi-bin/media/uploadimg", item.rendition.primary)
            if web_address(hosted.get("url")) is None:  # without it the picture would be lost silently
                raise CallFailed(broken_off(is_final=False))
            addresses[item.media.asset_sha256] = text_in(hosted, "url")
    problems = body_problems(story, addresses)
    if problems:
        raise CallFailed(Refused(problems[0].text))
    return {
        "article_type": "news",
        "title": line(story.title),
        "author": line(story.byline),
        "digest": line(story.digest),
        "content": article_html(story, addresses),
        "content_source_url": link,
        "thumb_media_id": text_in(thumb, "media_id"),
        "pic_crop_235_1": "0_0_1_1",
        "pic_crop_1_1": square_crop(cover),
    }


async def _upload(account: Account, tools: Tools, path: str, file: StoryFile, **query: str) -> dict[str, Any]:
    data = await tools.read_object(file.object_key)
    name = "picture.png" if file.media_type == "image/png" else "picture.jpg"
    return await account.upload(path, name, data, file.media_type, **query)


async def _submit(account: Account, media_id: str) -> Outcome:
    """The one call that cannot be undone."""
    try:
        done = await account.ask("/cgi-bin/freepublish/submit", {"media_id": media_id}, is_final=True)
        return Accepted(id_in(done, "publish_id", is_final=True), FIRST_ASK_S)
    except CallFailed as failed:
        if isinstance(failed.outcome, Refused):
            is_gone = isinstance(failed, CodeRefused) and failed.code == NO_MEDIA
            return failed.outcome if is_gone else kept_draft(failed.outcome)
        if isinstance(failed.outcome, TryLater):  # certainly not taken: the next attempt makes its own draft
            await _drop_draft(account, media_id)
        return failed.outcome


async def _drop_draft(account: Account, media_id: str) -> None:
    try:
        await account.ask("/cgi-bin/draft/delete", {"media_id": media_id})
    except CallFailed:
        return  # a twin in the draft box is untidy, and is not published by itself
