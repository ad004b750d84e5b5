"""The door to rjieba: a text as the words that a reader would mark, Chinese ones included."""

import re

import rjieba

# CJK ideographs (Unicode 16, blocks of chapter 18.1), with the iteration mark and the ideographic zero.
_HAN = "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
# What belongs to the character before it: accents, variation selectors, skin tones, tags of flags.
_MARKS = "\u0300-\u036f\u1ab0-\u1aff\u20d0-\u20ff\ufe00-\ufe0f\U0001f3fb-\U0001f3ff\U000e0020-\U000e01ef"
_LETTERS = f"(?:(?![{_HAN}])[\\w{_MARKS}])+"
_TOKEN = re.compile(
    rf"""
    \s*\n\s*                                  # a paragraph break, with the blanks around it
    | [^\S\n]+                                # blanks
    | (?P<han>[{_HAN}]+)                      # Chinese, cut into words below
    | {_LETTERS}(?:[.,:'’-]{_LETTERS})*%?     # a word, a number
    | [\U0001f1e6-\U0001f1ff]{{2}}            # a flag
    | .(?:[{_MARKS}]|\u200d.)*                # punctuation; an emoji with all that is joined to it
    """,
    re.VERBOSE | re.DOTALL,
)
_PARAGRAPH = re.compile(r"[^\n]*\n\s*|[^\n]+")


def words(text: str) -> list[str]:
    """Words, numbers, punctuation, blanks and paragraph breaks in order; joined they are the text again."""
    found: list[str] = []
    for match in _TOKEN.finditer(text):
        if match["han"]:
            # Without guessing at words that are not in the dictionary: it guesses by what stands beside them,
            # so one changed word would change its neighbours, too.
            found += rjieba.cut(match["han"], hmm=False)
        else:
            found.append(match[0])
    return found


def paragraphs(text: str) -> list[str]:
    """Paragraphs, each with the break behind it; joined they are the text again."""
    return _PARAGRAPH.findall(text)
