"""Douyin (抖音) by its open API for institutions: upload, create, then ask until it is out or refused.

Written from the platform's documents, read 2026-11-22; the live platform was not reached.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from platforms.calling import CallFailed
from platforms.douyin_api import (
    Account,
    create_video,
    item_of,
    items_since,
    sign_in,
    upload_cover,
    upload_video,
)
from platforms.douyin_limits import COVER_PROFILE, LIMITS, VIDEO_PROFILE, problems_of, text_of, video_of
from platforms.frame import (
    Accepted,
    Confirmed,
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
from platforms.story import Story, legal_text
from states.text import Text

ASK_AFTER_S = 60.0
CLOCK_SKEW_S = 60.0
# "1：细化为 5、6、7；2 不适宜公开；4 审核中；5 公开；6 好友可见；7 私密" (announcement of 2024-11-15, H).
_IN_REVIEW, _UNFIT = 4, 2
_OUT = frozenset({1, 5})


class DouyinPlatform(Platform):
    """One portrait video with cover, title and topics. Settings: `client_key`, `open_id`, and `api_url` where a
    gateway stands in; the secret is the refresh token. Only `create_video` cannot be undone.
    """

    name = "douyin"
    label = Text(zh="抖音", en="Douyin")
    renditions: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType(
        {"video": (VIDEO_PROFILE, COVER_PROFILE)}
    )
    is_idempotent = False
    can_look_up = True
    limits = LIMITS

    def check(self, story: Story) -> tuple[Problem, ...]:
        """Missing video or title, and every known limit of texts, video and cover. Characters are code points."""
        return problems_of(story)

    async def publish(
        self,
        story: Story,
        destination: DestinationConfig,
        delivery_id: str,  # noqa: ARG002 - the documents offer no field for a mark of ours
        tools: Tools,
    ) -> Outcome:
        """Accepted with the item id: Douyin reviews every post before others see it."""
        problems, video = problems_of(story), video_of(story)
        if problems or video is None:
            return Refused(problems[0].text)
        missing = tuple(pair for pair in missing_renditions(self, story) if pair[0] == video.asset_sha256)
        if missing:
            return refuse_missing(missing)
        try:
            account = await sign_in(tools, destination)
            video_id = await upload_video(account, video.renditions[VIDEO_PROFILE].primary)
            cover_id = await upload_cover(account, video.renditions[COVER_PROFILE].primary)
            return Accepted(await create_video(account, video_id, cover_id, text_of(story)), ASK_AFTER_S)
        except CallFailed as failed:
            return failed.outcome

    async def status(self, story: Story, destination: DestinationConfig, sent: Sent, tools: Tools) -> Outcome:
        """Confirmed when it is public, Accepted while it is reviewed, Refused where Douyin will not show it.

        HandedOff where only friends see it, and where Douyin lists it without its state, as it does since 2024-12-13:
        a person looks and confirms.
        Without an item id it is looked up by text and time; not found is Unknown, for the documents name no delay.
        """
        try:
            account = await sign_in(tools, destination)
            if sent.external_id:
                return _state(await item_of(account, sent.external_id), sent.external_id)
            return await _looked_up(account, story, sent)
        except CallFailed as failed:
            # Here TryLater would mean "send it again", and a failed question says nothing of the kind.
            if not isinstance(failed.outcome, TryLater):
                return Unknown(failed.outcome.text)
            if sent.external_id:
                return Accepted(sent.external_id, failed.outcome.retry_after_s or ASK_AFTER_S)
            return Unknown(failed.outcome.text)

    async def correct(
        self, story: Story, destination: DestinationConfig, delivery_id: str, before: Sent, tools: Tools
    ) -> Outcome:
        """HandedOff with what a person does: the documents have no call that changes a post."""
        lines = (
            "[ ] 在抖音创作者中心打开该作品，修改标题或简介；视频本身有误的，删除后按新稿重新发布",
            f"[ ] 更正说明：{story.note or '（未填写）'}",
            "[ ] 在本系统填回链接并点“确认”",
        )
        return await _hand_over(
            tools, f"handoffs/{delivery_id}/correct.txt", _head(story, destination, before), lines
        )

    async def retract(
        self,
        story: Story,
        destination: DestinationConfig,
        delivery_id: str,
        tools: Tools,
        sent: Sent | None = None,
    ) -> Outcome:
        """HandedOff with what a person does: deleting was taken out of the open API in 2022 (M)."""
        lines = (
            f"[ ] 原因：{story.note or '（未填写）'}",
            "[ ] 在抖音删除该作品，或设为私密",
            "[ ] 打开原链接，确认读者已看不到",
            "[ ] 在本系统点“确认撤稿”",
        )
        return await _hand_over(
            tools, f"handoffs/{delivery_id}/retract.txt", _head(story, destination, sent), lines
        )


async def _looked_up(account: Account, story: Story, sent: Sent) -> Outcome:
    if sent.began_at is None:  # an older post with the same text could not be told from ours
        return Unknown(_NO_TIME)
    wanted = _bare(text_of(story))
    since_s = sent.began_at.timestamp() - CLOCK_SKEW_S
    found = [item async for item in items_since(account, since_s) if _bare(item.get("title")) == wanted]
    if len(found) != 1:
        return Unknown(_SEVERAL if found else _NOT_LISTED)
    item_id = found[0].get("item_id")
    return _state(found[0], item_id) if isinstance(item_id, str) and item_id else Unknown(_NOT_LISTED)


def _state(item: Mapping[str, Any] | None, item_id: str) -> Outcome:
    if item is None:
        return Unknown(_NOT_LISTED)
    state, url = item.get("video_status"), _web_address(item.get("share_url"))
    if state == _UNFIT:
        return Refused(_FOUND_UNFIT)
    if state == _IN_REVIEW or (state is None and item.get("is_reviewed") is False):
        return Accepted(item_id, ASK_AFTER_S)
    # Also for 6 and 7, which only friends or nobody else can see.
    return Confirmed(item_id, url) if state in _OUT else HandedOff(url, MappingProxyType({}))


def _bare(text: object) -> str:
    return "".join(text.split()) if isinstance(text, str) else ""


def _web_address(value: object) -> str | None:
    is_one = isinstance(value, str) and value.startswith("https://") and len(value) <= 2000
    return str(value) if is_one else None


async def _hand_over(tools: Tools, key: str, head: str, lines: tuple[str, ...]) -> HandedOff:
    text = legal_text("\n".join((head, "", *lines))) + "\n"
    await tools.put_private(key, text.encode(), "text/plain; charset=utf-8")
    return HandedOff(url=None, files=MappingProxyType({key.rpartition("/")[2]: key}))


def _head(story: Story, destination: DestinationConfig, sent: Sent | None) -> str:
    item = f"\n作品编号：{sent.external_id}" if sent and sent.external_id else ""
    return f"渠道：{destination.name}\n稿件：{story.title}（第 {story.version} 版）{item}"


_NO_TIME = Text(
    zh="不知道上次发送的时间，无法在抖音作品列表中辨认。请到抖音核实，然后在此确认或重发。",
    en="When it was sent is not known, so it cannot be told from older posts. Look there, then confirm or resend.",
)
_NOT_LISTED = Text(
    zh="抖音的作品列表里没有找到，但平台未说明多久才列出。请到抖音核实，然后在此确认或重发。",
    en="Douyin does not list it, and does not say how soon it would. Look there, then confirm or send again.",
)
_SEVERAL = Text(
    zh="抖音上有多条文字相同的作品，分不清哪条是本次发布。请到抖音核实，然后在此确认。",
    en="Several posts there have this text, and which one is ours is not clear. Look there, then confirm.",
)
_FOUND_UNFIT = Text(
    zh="抖音审核认为该作品不适宜公开。请到抖音查看原因，修改后重新送审。",
    en="Douyin's review found the post unfit for the public. See the reason there, change it, submit again.",
)
