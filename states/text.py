"""A sentence for people, in the two languages of the product. Knows nothing of who reads it."""

from dataclasses import dataclass
from typing import Literal

Language = Literal["zh", "en"]


@dataclass(frozen=True, slots=True)
class Text:
    """One message in Chinese and in English; both say the same and both are complete."""

    zh: str
    en: str

    def in_language(self, language: Language) -> str:
        """The message in one language."""
        return self.en if language == "en" else self.zh

    def to_json(self) -> dict[str, str]:
        """`{"zh": …, "en": …}`, as it is stored and sent."""
        return {"zh": self.zh, "en": self.en}

    @classmethod
    def from_json(cls, value: dict[str, str]) -> "Text":
        """The inverse of `to_json`; KeyError when a language is missing."""
        return cls(zh=value["zh"], en=value["en"])
