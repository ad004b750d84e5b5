"""Mail: the mobile newspaper (手机报) inside its byte budget, and stories offered to other outlets (外宣投稿).

What was mailed cannot be fetched back: a correction and a retraction are mails that say so, in answer to the first.
"""

import hashlib
import re
import ssl
from collections.abc import Mapping
from datetime import date
from types import MappingProxyType
from typing import ClassVar

from platforms.connecting import LinkFailed, check_link
from platforms.frame import (
    Addresses,
    Confirmed,
    DestinationConfig,
    Limit,
    Outcome,
    Platform,
    Problem,
    Refused,
    Sent,
    Tools,
    missing_renditions,
    refuse_missing,
)
from platforms.mail_message import Envelope, Kind, Picture, message, text_of
from platforms.mail_session import MailSettings, MakeTls, mail_settings, send
from platforms.mail_words import NOT_AS_SIGNED, too_large
from platforms.sidecar import DropFile, drop_files
from platforms.story import Story
from states.text import Text

_READ_ON = date(2026, 11, 22)
_MMS = "PLATFORMS.md, row 'Mobile newspaper'"
_PART_BYTES = 4 * 1024 * 1024
# "300 KB" is read as the smaller of its two meanings.
MOBILE_300 = Limit("mobile_300.size_bytes", 300_000, "bytes", _MMS, "M", _READ_ON)
MOBILE_100 = Limit("mobile_100.size_bytes", 100_000, "bytes", _MMS, "M", _READ_ON)
MOBILE_30 = Limit("mobile_30.size_bytes", 30_000, "bytes", _MMS, "M", _READ_ON)
OUTLET = Limit("outlet_mail.size_bytes", 18_000_000, "bytes", "house value: 25 MB in base64", "L", _READ_ON)


class MailPlatform(Platform):
    """One kind of mail. Settings and secret: `mail_session.mail_settings`."""

    is_idempotent = False  # no server knows a repeat by its Message-ID
    budget: ClassVar[Limit]
    has_html: ClassVar[bool]

    def __init__(self, make_tls: MakeTls = ssl.create_default_context) -> None:
        self._make_tls = make_tls

    async def check_settings(self, destination: DestinationConfig, addresses: Addresses) -> None:
        """As `mail_settings` reads them, and a server that may be connected to."""
        await check_link(lambda: mail_settings(destination), addresses)

    def check(self, story: Story) -> tuple[Problem, ...]:
        """A missing title, and what is over the budget: the text, with the pictures as they were made."""
        problems = []
        if not story.title.strip():
            text = Text(
                f"{self.label.zh}：稿件没有标题。请先写标题。",
                f"{self.label.en}: there is no title. Write one first.",
            )
            problems.append(Problem(f"{self.name}.title_missing", text, None, "RFC 5322, section 3.6.5"))
        over = self._over(story, self.budget.value or 0)
        if over is not None:
            problems.append(Problem(f"{self.name}.too_large", over, self.budget.value, self.budget.cited))
        return tuple(problems)

    async def publish(
        self, story: Story, destination: DestinationConfig, delivery_id: str, tools: Tools
    ) -> Outcome:
        """Mail the story: Confirmed with its Message-ID when the server took it for all recipients."""
        return await self._send(story, destination, delivery_id, tools, "story")

    async def correct(
        self, story: Story, destination: DestinationConfig, delivery_id: str, before: Sent, tools: Tools
    ) -> Outcome:
        """Mail the newer version as a correction, in answer to the earlier mail."""
        return await self._send(story, destination, delivery_id, tools, "correction", before)

    async def retract(
        self, story: Story, destination: DestinationConfig, delivery_id: str, tools: Tools
    ) -> Outcome:
        """Mail that the story is withdrawn. Confirmed: that was mailed; what the recipients do is theirs to tell."""
        return await self._send(story, destination, delivery_id, tools, "retraction", Sent(delivery_id, None))

    async def _send(
        self,
        story: Story,
        destination: DestinationConfig,
        delivery_id: str,
        tools: Tools,
        kind: Kind,
        before: Sent | None = None,
    ) -> Outcome:
        missing = missing_renditions(self, story)
        if missing and kind != "retraction":
            return refuse_missing(missing)
        try:
            settings = mail_settings(destination)
            pictures = [] if kind == "retraction" else await self._pictures(story, settings, tools)
        except LinkFailed as failed:
            return failed.outcome
        envelope = Envelope(tools.site.name, settings.sender, settings.recipients, delivery_id)
        mail = message(
            story,
            envelope,
            kind,
            pictures,
            earlier_id=_earlier_id(before, envelope),
            is_html=self.has_html,
        )
        failed_as = await send(settings, mail.as_bytes(), tools, self._make_tls)
        return failed_as or Confirmed(external_id=envelope.message_id(kind), url=None)

    async def _pictures(self, story: Story, settings: MailSettings, tools: Tools) -> list[Picture]:
        """The pictures, read and found right. Raises LinkFailed where one is not, or all are too much."""
        over = self._over(story, min(self.budget.value or 0, settings.max_bytes or self.budget.value or 0))
        if over is not None:
            raise LinkFailed(Refused(over))
        return [await _picture(file, tools) for file in self._files(story)]

    def _files(self, story: Story) -> tuple[DropFile, ...]:
        return drop_files(story, tuple(name for names in self.renditions.values() for name in names))

    def _over(self, story: Story, largest_bytes: int) -> Text | None:
        """Counted as an MMS counts: the text and the pictures, not how mail packs them."""
        size = len(text_of(story).encode()) + sum(file.size_bytes for file in self._files(story))
        if size <= largest_bytes:
            return None
        return too_large(self.label, size, largest_bytes, self.budget.cited)


async def _picture(file: DropFile, tools: Tools) -> Picture:
    data = bytearray()
    while len(data) < file.size_bytes:
        part = await tools.read_part(
            file.object_key, len(data), min(_PART_BYTES, file.size_bytes - len(data))
        )
        if not part:
            break
        data += part
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise LinkFailed(Refused(NOT_AS_SIGNED))
    caption = file.asset.caption if file.asset else ""
    return Picture(file.name, file.media_type, caption, bytes(data))


def _earlier_id(before: Sent | None, envelope: Envelope) -> str | None:
    if before is None:
        return None
    noted = before.external_id or ""
    return noted if re.fullmatch(r"<[A-Za-z0-9.@-]{1,200}>", noted) else envelope.id_of(before.delivery_id)


class OutletMail(MailPlatform):
    """A story offered to another outlet, with its stills as print wants them."""

    name = "outlet_mail"
    label = Text(zh="外宣投稿（邮件）", en="Mail to an outlet")
    renditions = MappingProxyType({"still": ("print_still",)})
    budget = OUTLET
    limits = (OUTLET,)
    has_html = True


class Mobile300(MailPlatform):
    """One issue of the mobile newspaper in the largest MMS class."""

    name = "mobile_300"
    label = Text(zh="手机报 300 KB（邮件）", en="Mobile newspaper, 300 KB (mail)")
    renditions: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType({"still": ("mms_still",)})
    budget: ClassVar[Limit] = MOBILE_300
    limits = (MOBILE_300,)
    has_html = False


class Mobile100(Mobile300):
    """One issue in the middle MMS class."""

    name = "mobile_100"
    label = Text(zh="手机报 100 KB（邮件）", en="Mobile newspaper, 100 KB (mail)")
    renditions = MappingProxyType({"still": ("mms_still_100",)})
    budget = MOBILE_100
    limits = (MOBILE_100,)


class Mobile30(Mobile300):
    """One issue in the smallest MMS class."""

    name = "mobile_30"
    label = Text(zh="手机报 30 KB（邮件）", en="Mobile newspaper, 30 KB (mail)")
    renditions = MappingProxyType({"still": ("mms_still_30",)})
    budget = MOBILE_30
    limits = (MOBILE_30,)


MAILS: tuple[MailPlatform, ...] = (OutletMail(), Mobile300(), Mobile100(), Mobile30())
