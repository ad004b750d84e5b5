"""The two kinds of wire model, and the kinds of text that requests may carry."""

import re
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from states.text import Text


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
