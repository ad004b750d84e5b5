"""Weibo (微博): a post with the story's link, and pictures; looked up, and deleted.

Written from the platform's documents, read 2026-11-22; the live platform was not reached. They name no call for
videos: a video story goes out as its poster and the link to its page.
"""

import re
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import ClassVar
from urllib.parse import urlsplit

from platforms.calling import CallFailed
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
    refuse_missing,
)
from platforms.story import Story, legal_text, story_url
from platforms.weibo_api import (
    Account,
    Post,
    destroy,
    exists,
    own_posts,
    post_pictures,
    share,
    upload_picture,
)
from platforms.weibo_limits import (
    COVER_PROFILE,
    LIMITS,
    LIST_DELAY,
    PICTURES,
    STILL_PROFILE,
    missing_of,
    pictures_of,
    problems_of,
    text_of,
)
from states.text import Text

ASK_AGAIN_S = 300.0
CLOCK_SKEW_S = 60.0
# Five times the delay that the documents admit, after which a post that is not listed never came to be.
ABSENT_AFTER_S = 5.0 * (LIST_DELAY.value or 0)
_LINK = re.compile(r"https?://[!-~]+")
_NO_WORD = re.compile(r"[\W_]+")


class WeiboPlatform(Platform):
    """Title, digest where it fits, link and pictures. The secret is the access token. Settings: `uid`, `rip` (our
    public address), `api` (`share`: one picture; `commercial`: up to nine), `safe_domain` (what is shared must
    link to it), and `api_url` where a gateway stands in.
    """

    name = "weibo"
    label = Text(zh="微博", en="Weibo")
    renditions: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType(
        {"still": (STILL_PROFILE,), "video": (COVER_PROFILE,)}
    )
    is_idempotent = False
    can_look_up = True
    limits = LIMITS

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock

    def check(self, story: Story) -> tuple[Problem, ...]:
        """A missing title, a text too long with the link, topics in the text, pictures too large."""
        return problems_of(story)

    async def publish(
        self, story: Story, destination: DestinationConfig, delivery_id: str, tools: Tools
    ) -> Outcome:
        """Confirmed with the post's id and address. Only the post itself cannot be undone by a repeat."""
        problems, missing = problems_of(story), missing_of(story)
        if problems:
            return Refused(problems[0].text)
        if missing:
            return refuse_missing(missing)
        link = story_url(tools.site, story)
        text = text_of(story, link)
        if text is None:
            return Refused(_LINK_TOO_LONG)
        try:
            account = Account.of(destination, tools)
            is_shared = not account.is_commercial or not pictures_of(story)
            if is_shared and not _is_within(link, account.safe_domain):
                return Refused(_NOT_SAFE)
            return _confirmed(account, await _post(account, story, text, delivery_id))
        except CallFailed as failed:
            return failed.outcome

    async def status(self, story: Story, destination: DestinationConfig, sent: Sent, tools: Tools) -> Outcome:
        """Confirmed where Weibo shows it; Refused where it is gone. Without an id it is looked up by our mark, else
        by text and time: TryLater where it is certainly not there, Unknown where that cannot be told.
        """
        try:
            account = Account.of(destination, tools)
            if sent.external_id:
                is_there = await exists(account, sent.external_id)
                return _confirmed(account, sent.external_id) if is_there else Refused(_GONE)
            posts, is_all = await own_posts(account)
        except CallFailed as failed:
            # Here TryLater would mean "send it again", and a failed question says nothing of the kind.
            if isinstance(failed.outcome, TryLater) and sent.external_id:
                return Accepted(sent.external_id, failed.outcome.retry_after_s or ASK_AGAIN_S)
            return Unknown(failed.outcome.text)
        text = text_of(story, story_url(tools.site, story)) or ""
        ours, alike = _ours(posts, text, sent), _alike(posts, story.title, sent)
        if len(ours) == 1:
            return _confirmed(account, ours[0].id)
        if ours or alike or not self._would_be_listed(posts, sent, is_all=is_all):
            return Unknown(_SEVERAL if len(ours) > 1 else _NOT_LISTED)
        return TryLater(_NEVER_CAME)

    async def correct(
        self,
        story: Story,  # noqa: ARG002 - the same for every story
        destination: DestinationConfig,  # noqa: ARG002
        delivery_id: str,  # noqa: ARG002
        before: Sent,  # noqa: ARG002
        tools: Tools,  # noqa: ARG002
    ) -> Outcome:
        """Refused: the documents have no call that changes a post, and a second one is no correction of the first."""
        return Refused(_NOT_BY_API)

    async def retract(
        self,
        story: Story,
        destination: DestinationConfig,
        delivery_id: str,
        tools: Tools,
        sent: Sent | None = None,
    ) -> Outcome:
        """Confirmed once the post is deleted, or is gone already. HandedOff where its id is not known."""
        if sent is None or not sent.external_id:
            return await _hand_over(story, destination, delivery_id, tools)
        try:
            await destroy(Account.of(destination, tools), sent.external_id)
        except CallFailed as failed:
            return failed.outcome
        return Confirmed(sent.external_id, None)

    def _would_be_listed(self, posts: tuple[Post, ...], sent: Sent, *, is_all: bool) -> bool:
        # Had our post come to be, would it be among these?
        # The list must reach back to before our call, and the platform's own delay must be long over.
        if sent.began_at is None or self._clock() - sent.began_at.timestamp() < ABSENT_AFTER_S:
            return False
        return is_all or any(not _is_since(post, sent.began_at) for post in posts)


async def _post(account: Account, story: Story, text: str, delivery_id: str) -> str:
    pictures = pictures_of(story)
    if not account.is_commercial or not pictures:
        return await share(account, text, pictures[0] if pictures else None)
    ids = [await upload_picture(account, picture) for picture in pictures[: PICTURES.value]]
    return await post_pictures(account, text, ids, delivery_id)


def _confirmed(account: Account, post_id: str) -> Confirmed:
    return Confirmed(post_id, f"https://weibo.com/{account.uid}/{post_id}")


def _ours(posts: tuple[Post, ...], text: str, sent: Sent) -> list[Post]:
    marked = [post for post in posts if sent.delivery_id in post.marks]
    if marked or sent.began_at is None:
        return marked
    wanted = _bare(text)
    return [
        post
        for post in posts
        # Marked, it is another delivery's.
        if not post.marks and _bare(post.text) == wanted and _is_since(post, sent.began_at)
    ]


def _alike(posts: tuple[Post, ...], title: str, sent: Sent) -> bool:
    # Should Weibo have changed our text, it is still not "certainly not there".
    wanted = _NO_WORD.sub("", title)
    since = [post for post in posts if sent.began_at is None or _is_since(post, sent.began_at)]
    return any(wanted in _NO_WORD.sub("", post.text) for post in since)


def _is_since(post: Post, began_at: datetime) -> bool:
    return post.created_at.timestamp() >= began_at.timestamp() - CLOCK_SKEW_S


def _bare(text: str) -> str:
    # Weibo gives back a short link of its own in the place of ours.
    return "".join(_LINK.sub("", text).split())


def _is_within(link: str, domain: str) -> bool:
    host = (urlsplit(link).hostname or "").lower()
    return host == domain or host.endswith(f".{domain}")


async def _hand_over(
    story: Story, destination: DestinationConfig, delivery_id: str, tools: Tools
) -> HandedOff:
    lines = (
        f"渠道：{destination.name}",
        f"稿件：{story.title}（第 {story.version} 版）",
        f"原因：{story.note or '（未填写）'}",
        "",
        "[ ] 在微博找到并删除这一条（系统里没有它的编号）",
        "[ ] 打开原链接，确认读者已看不到",
        "[ ] 在本系统点“确认撤稿”",
    )
    key = f"handoffs/{delivery_id}/retract.txt"
    text = legal_text("\n".join(lines)) + "\n"
    await tools.put_private(key, text.encode(), "text/plain; charset=utf-8")
    return HandedOff(url=None, files=MappingProxyType({"retract.txt": key}))


_LINK_TOO_LONG = Text(
    zh="微博：稿件网址太长，与标题合计超过 140 字。请管理员改用较短的站点地址，或缩短标题。",
    en="Weibo: the story's address is too long, more than 140 characters with the title. Use a shorter site address "
    "or title.",
)
_NOT_SAFE = Text(
    zh="微博：稿件网址不在应用绑定的安全域名下，分享接口会拒绝。请管理员核对 safe_domain 与站点地址。",
    en="Weibo: the story's address is not of the app's safe domain, which the share call demands. Check safe_domain "
    "and the site address.",
)
_GONE = Text(
    zh="微博上已没有这一条：被删除或被屏蔽。请到微博核实原因。",
    en="Weibo does not have the post any more: deleted or blocked. Look there for the reason.",
)
_SEVERAL = Text(
    zh="微博上有多条相同的内容，分不清哪条是本次发布。请到微博核实，然后在此确认。",
    en="Several posts there are the same, and which one is ours is not clear. Look there, then confirm.",
)
_NOT_LISTED = Text(
    zh="还不能断定微博是否收下了这一条。请稍后再查，或到微博核实，然后在此确认或重发。",
    en="Whether Weibo took it cannot be told yet. Ask again later, or look there, then confirm or send again.",
)
_NEVER_CAME = Text(zh="微博上没有这一条，可以重新发布。", en="Weibo does not have it. It can be sent again.")
_NOT_BY_API = Text(
    zh="微博没有修改已发微博的接口。请到微博手动编辑或删除后按新稿重发，然后在此确认。",
    en="Weibo has no call that changes a post. Edit it there by hand, or delete it and publish anew, then confirm.",
)
