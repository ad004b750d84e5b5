"""The public page of a story, and the page that stays where one was taken back."""

import json
from datetime import datetime, timedelta, timezone
from itertools import zip_longest
from typing import Any

from markupsafe import Markup

from platforms._jinja import render
from platforms.figures import Figure, cover_picture, figures
from platforms.story import Site, Story, site_link, story_url, utc_text

# Asia/Shanghai. China has kept UTC+8 without summer time since 1991, and this needs no zone database.
_SHANGHAI = timezone(timedelta(hours=8))

# 《人工智能生成合成内容标识办法》 asks for the label in words.
AI_WORDS = {
    "generated": "本内容由人工智能生成合成",
    "assisted": "本内容含人工智能辅助生成部分",
}


def story_page(story: Story, site: Site) -> str:
    """The story as one HTML page without script; the tombstone page where it is not usable any more."""
    if story.status != "usable":
        return tombstone_page(story, site)
    shown = figures(story, site)
    lead, rest = _lead_first(shown)
    return render(
        "story_page.html",
        story=story,
        site=site,
        page_url=story_url(site, story),
        feeds=_feed_links(site),
        ninjs_url=site_link(site, f"feeds/ninjs/{story.id}.json"),
        lead=lead,
        blocks=tuple(zip_longest(story.paragraphs, rest)),
        picture=cover_picture(story, site),
        video=next((figure.mp4 for figure in shown if figure.mp4), None),
        summary=summary(story),
        published=(utc_text(story.published_at), shanghai_time(story.published_at)),
        updated=(utc_text(story.updated_at), shanghai_time(story.updated_at)),
        ai_words=AI_WORDS.get(story.ai_label),
        json_ld=_json_ld(story, site, shown),
    )


def tombstone_page(story: Story, site: Site) -> str:
    """What readers get at the address of a withdrawn or retracted story: that, when, and the public note.

    Nothing of the story itself, its title included, is shown again.
    """
    return render(
        "tombstone_page.html",
        story=story,
        site=site,
        updated=(utc_text(story.updated_at), shanghai_time(story.updated_at)),
    )


def shanghai_time(moment: datetime) -> str:
    """The time as readers in China write it: `2026年11月22日 14:05`."""
    local = moment.astimezone(_SHANGHAI)
    return f"{local.year}年{local.month}月{local.day}日 {local:%H:%M}"


def summary(story: Story) -> str:
    """The digest, else the start of the body (120 characters): for previews, never for the story's text."""
    if story.digest.strip():
        return story.digest.strip()
    start = story.paragraphs[0] if story.paragraphs else ""
    return start if len(start) <= 120 else f"{start[:119]}…"


def _lead_first(shown: tuple[Figure, ...]) -> tuple[Figure | None, tuple[Figure, ...]]:
    lead = next((figure for figure in shown if figure.kind == "video"), shown[0] if shown else None)
    return lead, tuple(figure for figure in shown if figure is not lead)


def _feed_links(site: Site) -> tuple[tuple[str, str], ...]:
    return (
        ("application/rss+xml", site_link(site, "feeds/rss.xml")),
        ("application/atom+xml", site_link(site, "feeds/atom.xml")),
        ("application/feed+json", site_link(site, "feeds/feed.json")),
    )


def _json_ld(story: Story, site: Site, shown: tuple[Figure, ...]) -> Markup:
    value: dict[str, Any] = {
        "@context": "https://schema.org",
        "@type": "NewsArticle",
        "headline": story.title,
        "description": summary(story),
        "inLanguage": story.language,
        "articleSection": story.column,
        "keywords": list(story.tags),
        "datePublished": utc_text(story.published_at),
        "dateModified": utc_text(story.updated_at),
        "mainEntityOfPage": story_url(site, story),
        "author": {"@type": "Person", "name": story.byline or site.name},
        "publisher": {"@type": "Organization", "name": site.name, "url": site.url},
        "image": [figure.picture.url for figure in shown if figure.picture],
        "video": [_video_object(story, figure) for figure in shown if figure.mp4],
    }
    if story.note:
        value["correction"] = story.note
    return _script_safe({key: content for key, content in value.items() if content})


def _video_object(story: Story, figure: Figure) -> dict[str, str]:
    value = {
        "@type": "VideoObject",
        "name": figure.caption or story.title,
        "description": figure.alt,
        "uploadDate": utc_text(story.published_at),
    }
    if figure.mp4:
        value["contentUrl"] = figure.mp4.url
    if figure.poster:
        value["thumbnailUrl"] = figure.poster.url
    return value


_SCRIPT_ESCAPES = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
)


def _script_safe(value: dict[str, Any]) -> Markup:
    # Inside <script> HTML escapes mean nothing, so JSON's own are used: no "<" is left to end the block.
    return Markup(json.dumps(value, ensure_ascii=False).translate(_SCRIPT_ESCAPES))  # noqa: S704 - escaped here
