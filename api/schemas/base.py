"""The two kinds of wire model, and the kinds of text that requests may carry."""

import re
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from states.text import Text
from states.wall_time import NotAWallTime, WallTime


class Body(BaseModel):
    """What a client sends: a field that is not known is refused, so that no typing error is lost."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Shown(BaseModel):
    """What a client is given: fields may be added to it, none is taken away."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class TextShown(Shown):
    """One message to people, in both languages."""

    zh: str
    en: str

    @classmethod
    def of(cls, text: Text) -> "TextShown":
        """The wire form of a message."""
        return cls(zh=text.zh, en=text.en)


class PersonRef(Shown):
    """A person, as others see them."""

    id: UUID
    display_name: str


def refuse(zh: str, en: str) -> PydanticCustomError:
    """A validator's error, in both languages."""
    return PydanticCustomError("in_words", "{en}", {"zh": zh, "en": en})


def _without_nul(value: str) -> str:
    if "\0" in value:  # PostgreSQL keeps no NUL in text, and nobody writes one
        raise refuse("含有空字符（NUL），请删除。", "It holds a NUL character; remove it.")
    return value


_CONTROL = re.compile("[\x00-\x1f\x7f]")


def _on_one_line(value: str) -> str:
    if _CONTROL.search(value):
        raise refuse("不能含有换行或控制字符。", "It may hold no line break and no control character.")
    return value


def _not_blank(value: str) -> str:
    if not value.strip():
        raise refuse("不能为空。", "It must not be blank.")
    return value


# Lone surrogates are refused by pydantic itself (`string_unicode`).
Words = Annotated[str, AfterValidator(_without_nul)]
Line = Annotated[str, AfterValidator(_on_one_line)]
Name = Annotated[
    str, Field(min_length=1, max_length=100), AfterValidator(_on_one_line), AfterValidator(_not_blank)
]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="SHA-256 in lower-case hexadecimal.")]
Reason = Annotated[Words, Field(max_length=2000)]
Moment = datetime


class WallClock(Body):
    """A time on the wall clock of a place: `local` without an offset, `zone` as an IANA name."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"local": "2026-11-23T08:00", "zone": "Asia/Shanghai"}]}
    )
    local: Annotated[str, Field(max_length=32)]
    zone: Annotated[str, Field(max_length=64)] = "Asia/Shanghai"

    @model_validator(mode="after")
    def _exists(self) -> "WallClock":
        try:
            self.wall_time()
        except NotAWallTime as error:
            raise refuse(
                "应为本地时间（如 2026-11-23T08:00，不带时差）和时区名（如 Asia/Shanghai）。",
                "This must be a local time without an offset (2026-11-23T08:00) and a zone (Asia/Shanghai).",
            ) from error
        return self

    def wall_time(self) -> WallTime:
        """As `states` knows it. Raises NotAWallTime."""
        return WallTime(self.local, self.zone)
