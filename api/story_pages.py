"""The public page of a story, the page where one was taken back, and the page where there is none."""

from uuid import UUID

from fastapi import APIRouter, Request, Response

from api.asking import Held, Unit
from api.openapi import problems
from api.reading import page_headers, public_answer, site_of
from platforms.records import story_from
from platforms.story_page import story_page
from storage.stories import public_story

router = APIRouter(tags=["readers"])
_HTML = "text/html; charset=utf-8"
_NO_STORY = """<!doctype html>
<html lang="zh-CN"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>没有找到这篇稿件</title>
<style>body{font:1.1rem/1.7 system-ui,sans-serif;max-width:36rem;margin:4rem auto;padding:0 1rem}</style></head>
<body><h1>没有找到这篇稿件</h1>
<p>地址可能有误，或者稿件尚未发布。请检查地址，或从首页、订阅源重新进入。</p>
<p lang="en">There is no story at this address: it may be mistyped, or the story is not published yet.</p>
</body></html>
"""


@router.get(
    "/stories/{story_id}",
    operation_id="story_page",
    response_class=Response,
    summary="稿件页 · A story's page",
    responses={
        200: {"description": "The story.", "content": {"text/html": {}}},
        304: {"description": "You have the current one."},
        404: {"description": "No story; a page says so.", "content": {"text/html": {}}},
        410: {"description": "Retracted; a page says when and why.", "content": {"text/html": {}}},
        **problems("invalid-request", is_open=True),
    },
)
async def page(story_id: str, request: Request, unit: Unit, held: Held) -> Response:
    """The story as one page without script, playable in a browser."""
    identifier = _uuid(story_id)
    record = await public_story(unit, identifier) if identifier else None
    if record is None:
        return Response(_NO_STORY, 404, page_headers(held), _HTML)
    html = story_page(story_from(record), site_of(held.settings)).encode()
    answer = public_answer(request, html, _HTML, record.updated_at, 410 if record.is_retracted else 200)
    answer.headers.update(page_headers(held))
    return answer


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
