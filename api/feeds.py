"""Feeds of what is before readers. No sign-in; validators and short caching."""

import json
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response

from api.asking import Held, Unit
from api.openapi import problems
from api.reading import public_answer, site_of
from platforms import ninjs as newsjson
from platforms.feeds import ATOM_TYPE, JSON_FEED_TYPE, RSS_TYPE, atom, json_feed, rss
from platforms.records import story_from
from storage.errors import NotFound
from storage.stories import public_story

router = APIRouter(prefix="/feeds", tags=["readers"])
_NOT_MODIFIED: dict[int | str, dict[str, Any]] = {304: {"description": "You have the current one."}}


@router.get(
    "/rss.xml",
    operation_id="feed_rss",
    response_class=Response,
    summary="RSS 2.0",
    responses={
        200: {"content": {"application/rss+xml": {}}},
        **_NOT_MODIFIED,
        **problems("invalid-request", is_open=True),
    },
)
async def rss_feed(request: Request, held: Held) -> Response:
    """The newest stories. RSS has no tombstone: what was retracted is not in it any more."""
    shelf = await held.feeds.shelf(held.db)
    return public_answer(request, rss(shelf.stories, site_of(held.settings)), RSS_TYPE, shelf.changed_at)


@router.get(
    "/atom.xml",
    operation_id="feed_atom",
    response_class=Response,
    summary="Atom 1.0",
    responses={
        200: {"content": {"application/atom+xml": {}}},
        **_NOT_MODIFIED,
        **problems("invalid-request", is_open=True),
    },
)
async def atom_feed(request: Request, held: Held) -> Response:
    """The newest stories, with a tombstone (RFC 6721) for each that was retracted."""
    shelf = await held.feeds.shelf(held.db)
    return public_answer(request, atom(shelf.stories, site_of(held.settings)), ATOM_TYPE, shelf.changed_at)


@router.get(
    "/feed.json",
    operation_id="feed_json",
    response_class=Response,
    summary="JSON Feed 1.1",
    responses={
        200: {"content": {"application/feed+json": {}}},
        **_NOT_MODIFIED,
        **problems("invalid-request", is_open=True),
    },
)
async def json_feed_feed(request: Request, held: Held) -> Response:
    """The newest stories as JSON."""
    shelf = await held.feeds.shelf(held.db)
    body = json.dumps(json_feed(shelf.stories, site_of(held.settings)), ensure_ascii=False)
    return public_answer(request, body.encode(), JSON_FEED_TYPE, shelf.changed_at)


@router.get(
    "/ninjs/{story_id}.json",
    operation_id="feed_ninjs",
    response_class=Response,
    summary="ninjs 3.1",
    responses={
        200: {"content": {newsjson.MEDIA_TYPE: {}}},
        **_NOT_MODIFIED,
        **problems("not-found", "invalid-request", is_open=True),
    },
)
async def ninjs_item(story_id: UUID, request: Request, unit: Unit, held: Held) -> Response:
    """One story as IPTC ninjs; a retracted one has `pubStatus` canceled and nothing of its content."""
    record = await public_story(unit, story_id)
    if record is None:
        raise NotFound("story", story_id)
    item = newsjson.ninjs(story_from(record), site_of(held.settings))
    body = json.dumps(item, ensure_ascii=False).encode()
    return public_answer(request, body, newsjson.MEDIA_TYPE, record.updated_at)
