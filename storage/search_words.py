"""How texts and queries are cut for the search: into words as a reader sees them, and into pairs of characters.

Words keep 和服 out of 产品和服务; pairs find what the dictionary does not know, names above all.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

import rjieba

from states.content import Content

# Raise it when anything here changes, and every entry is cut again.
CUT_VERSION = 1
_RUN = re.compile(r"\w+")
_SENTENCE = re.compile(r"[^。！？!?；;\n]+[。！？!?；;]*[”’」』）)]*")
_LONGEST_SENTENCE = 120


@dataclass(frozen=True, slots=True)
class Cut:
    """One text: its words, and its single characters with all pairs of neighbours; each once, in order."""

    plain: str
    words: tuple[str, ...]
    pairs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A sentence of the text, and where the terms stand in it, in characters."""

    sentence: str
    marks: tuple[tuple[int, int], ...]


def fold(text: str) -> str:
    """As texts are compared: full-width forms and ligatures as plain ones (NFKC), and no capitals."""
    return unicodedata.normalize("NFKC", text).casefold()


def text_of(content: Content) -> str:
    """All that can be found of a revision, the title first, in lines."""
    captions = (asset.caption for asset in content.assets)
    parts = (content.title, content.digest, content.byline, " ".join(content.tags), content.body, *captions)
    return "\n".join(part for part in parts if part.strip())


def cut(text: str) -> Cut:
    """The text as it is looked through."""
    plain = fold(text)
    words: dict[str, None] = {}
    pairs: dict[str, None] = {}
    for run in _RUN.findall(plain):
        words.update(dict.fromkeys(_with_shorter(run)))
        pairs.update(dict.fromkeys(_pairs(run)))
    return Cut(plain, tuple(words), tuple(pairs))


def terms(query: str) -> tuple[str, ...]:
    """What a query asks for: its parts between blanks and punctuation, folded, each once."""
    return tuple(dict.fromkeys(_RUN.findall(fold(query))))


def query_words(query_terms: Iterable[str]) -> tuple[str, ...]:
    """The words of the terms. Without the shorter words inside: a text about 新华社 is asked for as that."""
    found = (word for term in query_terms for word in rjieba.cut(term, hmm=False))
    return tuple(dict.fromkeys(found))


def query_pairs(query_terms: Iterable[str]) -> tuple[str, ...]:
    """The pairs of the terms; a single character where a term is no longer."""
    found: dict[str, None] = {}
    for term in query_terms:
        found.update(dict.fromkeys([term] if len(term) == 1 else _neighbours(term)))
    return tuple(found)


def excerpt(text: str, query_terms: Iterable[str]) -> Excerpt | None:
    """The first sentence with the most terms in it; None when there is none in any."""
    wanted = tuple(query_terms)
    best: tuple[int, str] = (0, "")
    for found in _SENTENCE.finditer(text):
        folded = fold(found[0])
        count = sum(term in folded for term in wanted)
        if count > best[0]:
            best = (count, found[0].strip())
    if not best[0]:
        return None
    return _shortened(best[1], wanted)


def _with_shorter(run: str) -> list[str]:
    # The words as they are cut, and the shorter words inside the long ones.
    return [*rjieba.cut(run, hmm=False), *rjieba.cut_for_search(run, hmm=False)]


def _pairs(run: str) -> list[str]:
    return [*run, *_neighbours(run)]


def _neighbours(run: str) -> list[str]:
    return [run[start : start + 2] for start in range(len(run) - 1)]


def _shortened(sentence: str, wanted: tuple[str, ...]) -> Excerpt:
    """A long sentence is cut around its first hit."""
    marks = _marks(sentence, wanted)
    if len(sentence) > _LONGEST_SENTENCE:
        first = marks[0][0] if marks else 0
        start = max(0, min(first - _LONGEST_SENTENCE // 3, len(sentence) - _LONGEST_SENTENCE))
        sentence = sentence[start : start + _LONGEST_SENTENCE]
        marks = _marks(sentence, wanted)
    return Excerpt(sentence, marks)


def _marks(sentence: str, wanted: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    folded = [fold(character) for character in sentence]
    place = [index for index, character in enumerate(folded) for _ in character]
    plain = "".join(folded)
    spans = sorted(
        (place[found.start()], place[found.end() - 1] + 1)
        for term in wanted
        for found in re.finditer(re.escape(term), plain)
    )
    merged: list[tuple[int, int]] = []
    for start, end in spans:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)
