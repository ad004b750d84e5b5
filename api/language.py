"""Which of the two languages a reader wants, from `Accept-Language` (RFC 9110 section 12.5.4)."""

from functools import lru_cache

from states.text import Language


@lru_cache(maxsize=512)
def reader_language(accept_language: str | None) -> Language:
    """English when the header ranks it above Chinese; else Chinese, the newsroom's own."""
    weights = {"zh": 0.0, "en": 0.0}
    for entry in (accept_language or "").split(","):
        tag, _, parameters = entry.partition(";")
        name = tag.strip().lower().split("-")[0]
        if name in weights:
            weights[name] = max(weights[name], _quality(parameters))
    return "en" if weights["en"] > weights["zh"] else "zh"


def _quality(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return min(max(float(value), 0.0), 1.0)
    except ValueError:
        return 0.0
