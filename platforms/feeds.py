"""The published stories as RSS 2.0, Atom 1.0 (with RFC 6721 tombstones) and JSON Feed 1.1.

Stories come and go in the caller's order; ids are `urn:uuid:` and never change.
"""

import html
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from xml.etree.ElementTree import Element, SubElement, register_namespace, tostring

from platforms._jinja import render
from platforms.figures import Figure, Link, cover_picture, figures
from platforms.story import Site, Story, legal_text, site_link, story_url, utc_text
from platforms.story_page import AI_WORDS, summary

RSS_TYPE = "application/rss+xml; charset=utf-8"
ATOM_TYPE = "application/atom+xml; charset=utf-8"
JSON_FEED_TYPE = "application/feed+json; charset=utf-8"

_ATOM = "http://www.w3.org/2005/Atom"
_TOMBSTONE = "http://purl.org/atompub/tombstones/1.0"
_CONTENT = "http://purl.org/rss/1.0/modules/content/"
_CREATOR = "http://purl.org/dc/elements/1.1/"
_MEDIA = "http://search.yahoo.com/mrss/"
_LANG = "{http://www.w3.org/XML/1998/namespace}lang"

for _prefix, _uri in (
    ("atom", _ATOM),
    ("at", _TOMBSTONE),
    ("content", _CONTENT),
    ("dc", _CREATOR),
    ("media", _MEDIA),
):
    register_namespace(_prefix, _uri)


def rss(stories: Sequence[Story], site: Site) -> bytes:
    """RSS 2.0 as UTF-8. It has no tombstone, so stories that are not usable are simply not in it."""
    root = Element("rss", version="2.0")
    channel = SubElement(root, "channel")
    for tag, text in (("title", site.name), ("link", site.url), ("description", site.name)):
        _add(channel, tag, text)
    _add(channel, "language", site.language)
    self_link = site_link(site, "feeds/rss.xml")
    SubElement(channel, f"{{{_ATOM}}}link", rel="self", type="application/rss+xml", href=self_link)
    if stories:
        _add(channel, "lastBuildDate", _rfc822(_latest(stories)))
    for story in _usable(stories):
        _rss_item(channel, story, site)
    return _xml(root)


def atom(stories: Sequence[Story], site: Site) -> bytes:
    """Atom 1.0 as UTF-8; a withdrawn or cancelled story is a deleted-entry with its time and note."""
    root = Element(f"{{{_ATOM}}}feed", {_LANG: site.language})
    self_link = site_link(site, "feeds/atom.xml")
    _add(root, f"{{{_ATOM}}}id", self_link)
    _add(root, f"{{{_ATOM}}}title", site.name)
    _add(root, f"{{{_ATOM}}}updated", utc_text(_latest(stories)))
    _person(root, site.name)
    SubElement(root, f"{{{_ATOM}}}link", rel="self", type="application/atom+xml", href=self_link)
    SubElement(root, f"{{{_ATOM}}}link", rel="alternate", type="text/html", href=site.url)
    for story in stories:
        if story.status == "usable":
            _atom_entry(root, story, site)
        else:
            _tombstone(root, story)
    return _xml(root)


def json_feed(stories: Sequence[Story], site: Site) -> dict[str, Any]:
    """JSON Feed 1.1. It has no tombstone, so stories that are not usable are simply not in it."""
    return {
        "version": "https://jsonfeed.org/version/1.1",
        "title": site.name,
        "home_page_url": site.url,
        "feed_url": site_link(site, "feeds/feed.json"),
        "language": site.language,
        "items": [_json_item(story, site) for story in _usable(stories)],
    }


def _rss_item(channel: Element, story: Story, site: Site) -> None:
    item = SubElement(channel, "item")
    shown = figures(story, site)
    _add(item, "title", story.title)
    _add(item, "link", story_url(site, story))
    SubElement(item, "guid", isPermaLink="false").text = story.urn
    _add(item, "pubDate", _rfc822(story.published_at))
    _add(item, f"{{{_ATOM}}}updated", utc_text(story.updated_at))
    _add(item, f"{{{_CREATOR}}}creator", story.byline)
    for category in _categories(story):
        _add(item, "category", category)
    _add(item, "description", html.escape(summary(story), quote=False))  # read as HTML
    _add(item, f"{{{_CONTENT}}}encoded", _content(story, shown))
    enclosed = _enclosures(shown)
    if enclosed:  # RSS has room for one: the MP4 where there is one
        link = enclosed[0]
        SubElement(item, "enclosure", url=link.url, length=str(link.size_bytes), type=link.media_type)
    picture = cover_picture(story, site)
    if picture:
        SubElement(item, f"{{{_MEDIA}}}thumbnail", url=picture.url)


def _atom_entry(root: Element, story: Story, site: Site) -> None:
    entry = SubElement(root, f"{{{_ATOM}}}entry", {_LANG: story.language})
    shown = figures(story, site)
    _add(entry, f"{{{_ATOM}}}id", story.urn)
    SubElement(entry, f"{{{_ATOM}}}title").text = story.title  # demanded even where it is empty
    _add(entry, f"{{{_ATOM}}}published", utc_text(story.published_at))
    _add(entry, f"{{{_ATOM}}}updated", utc_text(story.updated_at))
    _person(entry, story.byline or site.name)
    SubElement(entry, f"{{{_ATOM}}}link", rel="alternate", type="text/html", href=story_url(site, story))
    for link in _enclosures(shown):
        about = {
            "rel": "enclosure",
            "type": link.media_type,
            "length": str(link.size_bytes),
            "href": link.url,
        }
        SubElement(entry, f"{{{_ATOM}}}link", about)
    for category in _categories(story):
        SubElement(entry, f"{{{_ATOM}}}category", term=category)
    _add(entry, f"{{{_ATOM}}}summary", summary(story))
    SubElement(entry, f"{{{_ATOM}}}content", type="html").text = _content(story, shown)


def _tombstone(root: Element, story: Story) -> None:
    about = {"ref": story.urn, "when": utc_text(story.updated_at)}
    deleted = SubElement(root, f"{{{_TOMBSTONE}}}deleted-entry", about)
    _add(deleted, f"{{{_TOMBSTONE}}}comment", story.note or "")


def _json_item(story: Story, site: Site) -> dict[str, Any]:
    shown = figures(story, site)
    item: dict[str, Any] = {
        "id": story.urn,
        "url": story_url(site, story),
        "title": story.title,
        "content_html": _content(story, shown),
        "summary": summary(story),
        "date_published": utc_text(story.published_at),
        "date_modified": utc_text(story.updated_at),
        "authors": [{"name": story.byline or site.name}],
        "tags": list(_categories(story)),
        "language": story.language,
        "attachments": [_attachment(figure, link) for figure in shown for link in figure.downloads],
    }
    picture = cover_picture(story, site)
    if picture:
        item["image"] = picture.url
    return item


def _attachment(figure: Figure, link: Link) -> dict[str, Any]:
    value: dict[str, Any] = {"url": link.url, "mime_type": link.media_type, "size_in_bytes": link.size_bytes}
    if figure.caption or len(figure.downloads) > 1:
        value["title"] = figure.caption or figure.alt  # forms of one thing have one title (JSON Feed 1.1)
    if link.duration_s is not None:
        value["duration_in_seconds"] = round(link.duration_s, 3)
    return value


def _usable(stories: Sequence[Story]) -> list[Story]:
    return [story for story in stories if story.status == "usable"]


def _latest(stories: Sequence[Story]) -> datetime:
    # Atom demands a time even of an empty feed; the epoch does not pretend to news.
    return max((story.updated_at for story in stories), default=datetime.fromtimestamp(0, UTC))


def _enclosures(shown: tuple[Figure, ...]) -> list[Link]:
    """Every asset's files, those of videos first, then recordings, then pictures."""
    ordered = sorted(shown, key=lambda figure: (figure.mp4 is None, figure.audio is None))
    return [link for figure in ordered for link in figure.downloads]


def _categories(story: Story) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in (story.column, *story.tags) if name))


def _content(story: Story, shown: tuple[Figure, ...]) -> str:
    return render(
        "feed_content.html", story=story, figures=shown, ai_words=AI_WORDS.get(story.ai_label)
    ).strip()


def _person(parent: Element, name: str) -> None:
    _add(SubElement(parent, f"{{{_ATOM}}}author"), f"{{{_ATOM}}}name", name)


def _add(parent: Element, tag: str, text: str) -> None:
    if text:
        SubElement(parent, tag).text = text


def _rfc822(moment: datetime) -> str:
    return format_datetime(moment.astimezone(UTC), usegmt=True)


def _xml(root: Element) -> bytes:
    # Cleaned at the very end, so that no text, name or address can carry an illegal character into it.
    body = legal_text(tostring(root, encoding="unicode"))
    return f'<?xml version="1.0" encoding="utf-8"?>\n{body}\n'.encode()
