"""The messages themselves: a story, its correction, or the notice that it is taken back."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Literal

from platforms._jinja import render
from platforms.story import Story, legal_text

Kind = Literal["story", "correction", "retraction"]
# Seven bits in the body, so that no server on the way has to know more (RFC 6152).
_POLICY = SMTP.clone(cte_type="7bit")
_SUBJECTS: dict[Kind, str] = {"story": "", "correction": "【更正】", "retraction": "【撤稿通知】"}
_AI_LINES = {"generated": "本稿为人工智能生成内容。", "assisted": "本稿含人工智能辅助生成内容。"}


@dataclass(frozen=True, slots=True)
class Picture:
    """One attachment, read and found right."""

    name: str
    media_type: str
    caption: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """From whom and to whom, and under which id: the delivery's, so that a repeat can be known as one."""

    sender_name: str
    sender: str
    recipients: tuple[str, ...]
    delivery_id: str

    def message_id(self, kind: Kind) -> str:
        """The Message-ID (RFC 5322, section 3.6.4)."""
        suffix = ".retract" if kind == "retraction" else ""
        return self.id_of(f"{self.delivery_id}{suffix}")

    def id_of(self, name: str) -> str:
        """The Message-ID of another delivery of ours from this sender."""
        safe = re.sub(r"[^A-Za-z0-9.-]", "", name)
        return f"<{safe}@{self.sender.rpartition('@')[2]}>"


def message(
    story: Story,
    envelope: Envelope,
    kind: Kind,
    pictures: Sequence[Picture],
    *,
    earlier_id: str | None = None,
    is_html: bool = False,
) -> EmailMessage:
    """The message, every header on one line. `earlier_id`: the message that this one corrects or takes back."""
    made = EmailMessage(policy=_POLICY)
    made["Message-ID"] = envelope.message_id(kind)
    made["Date"] = format_datetime(datetime.now(UTC))
    made["From"] = Address(one_line(envelope.sender_name), addr_spec=envelope.sender)
    made["To"] = ", ".join(envelope.recipients)
    made["Subject"] = one_line(_SUBJECTS[kind] + story.title)
    if earlier_id:
        made["In-Reply-To"] = earlier_id
        made["References"] = earlier_id
    made["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's holiday notice answers it
    made["X-Sanshen-Delivery"] = one_line(envelope.delivery_id)
    made["X-Sanshen-Story"] = f"{story.urn} v{story.version}"
    text = notice(story) if kind == "retraction" else text_of(story, pictures)
    made.set_content(text, cte="base64")
    if is_html and kind != "retraction":
        html = render("mail.html", story=story, pictures=pictures, ai_line=_AI_LINES.get(story.ai_label, ""))
        made.add_alternative(html, subtype="html", cte="base64")
    for picture in pictures:
        main, _, sub = picture.media_type.partition("/")
        made.add_attachment(picture.data, maintype=main, subtype=sub, filename=picture.name)
    return made


def text_of(story: Story, pictures: Sequence[Picture] = ()) -> str:
    """The story as plain text: note first, then title, byline, paragraphs, captions and the AI label."""
    parts = [
        f"【更正】{story.note}" if story.note else "",
        story.title,
        story.byline,
        *story.paragraphs,
        *(f"图 {at}（{each.name}）：{each.caption}" for at, each in enumerate(pictures, 1) if each.caption),
        _AI_LINES.get(story.ai_label, ""),
    ]
    return legal_text("\n\n".join(part.strip() for part in parts if part.strip())) + "\n"


def notice(story: Story) -> str:
    """The words with which a story is taken back."""
    lines = [
        "撤稿通知",
        "",
        f"此前发送的稿件《{story.title}》（第 {story.version} 版）现予撤回。",
        f"原因：{story.note or '（未填写）'}",
        "",
        "尚未刊发的请勿刊发；已经刊发的请撤下，并请回复本邮件告知结果。",
        "",
        f"This story is withdrawn ({story.urn}). Do not use it; if it is out, take it down and answer this mail.",
    ]
    return legal_text("\n".join(lines)) + "\n"


def one_line(text: str) -> str:
    """The text without line breaks and control characters, which would end a header."""
    shown = "".join(each if each.isprintable() else " " for each in legal_text(text))
    return " ".join(shown.split())
