"""Every route × caller × state, against a table written by hand: who gets in, who is told no, who sees nothing."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from api.app import create_app
from states.events import Effect, Event
from states.item import State
from states.roles import Role
from storage.delegations import LentRole, grant_delegation
from storage.effects import enqueue
from storage.items import load_item
from storage.people import add_person, open_sign_in
from storage.tables import Delivery, Person, Upload

pytestmark = pytest.mark.slow

CALLERS = {
    "anonymous": None,
    "author": "writer",
    "other": "other_writer",
    "duty": "duty",
    "head": "head",
    "chief": "chief",
    "operator": "operator",
    "admin": "admin",
}
STATES = ("draft", "received", "first_review", "returned", "published")
SHORT = {
    "ALL": "author other duty head chief operator admin",
    "STAFF": "duty head chief operator admin",
    "EDITORS": "duty head chief",
    "OTHERS": "author other duty head chief operator",  # all but the administrator
    "REST": "author other duty head operator",  # all but those who audit
    "NOT_HERE": "author head chief operator admin",  # all who see it, but for this stage's role
    "SEEN": "received first_review returned published",
    "ANYTIME": "draft received first_review returned published",
}

# route | of an item: in which states | who gets in | who is told that a role is missing
# Whoever else has signed in finds nothing there, and who has not is told to (401); `open` is for everybody.
# To get in is to be answered on the matter: done, or refused for what it says or where the piece stands.
EXPECTED = """
POST   /api/v1/sessions                          |                    | open                 |
DELETE /api/v1/sessions/current                  |                    | ALL                  |
GET    /api/v1/me                                |                    | ALL                  |
GET    /api/v1/people                            |                    | admin                | OTHERS
POST   /api/v1/people                            |                    | admin                | OTHERS
DELETE /api/v1/people/{person_id}                |                    | admin                | OTHERS
POST   /api/v1/delegations                       |                    | ALL                  |
GET    /api/v1/delegations                       |                    | ALL                  |
POST   /api/v1/delegations/{delegation_id}/revoke|                    | head duty admin      |
GET    /api/v1/workflows                         |                    | STAFF                | author other
POST   /api/v1/workflows                         |                    | admin                | OTHERS
GET    /api/v1/workflows/{workflow_id}           |                    | STAFF                | author other
GET    /api/v1/columns/{column}/workflow         |                    | STAFF                | author other
GET    /api/v1/search                            |                    | ALL                  |
GET    /api/v1/working-days                      |                    | ALL                  |
GET    /api/v1/working-days/{day}                |                    | ALL                  |
PUT    /api/v1/working-days/{day}                |                    | admin                | OTHERS
DELETE /api/v1/working-days/{day}                |                    | admin                | OTHERS
GET    /api/v1/working-hours                     |                    | ALL                  |
PUT    /api/v1/working-hours                     |                    | admin                | OTHERS
GET    /api/v1/destinations                      |                    | ALL                  |
POST   /api/v1/destinations                      |                    | admin                | OTHERS
GET    /api/v1/queue                             |                    | ALL                  |
GET    /api/v1/stream                            |                    | ALL                  |
POST   /api/v1/events:batch                      |                    | ALL                  |
GET    /api/v1/retention-rules                   |                    | admin                | OTHERS
GET    /api/v1/retention-rules/{name}            |                    | admin                | OTHERS
PUT    /api/v1/retention-rules/{name}            |                    | admin                | OTHERS
GET    /api/v1/station                           |                    | STAFF                | author other
PUT    /api/v1/station/{role}                    |                    | admin                | OTHERS
DELETE /api/v1/station/{role}                    |                    | admin                | OTHERS
GET    /api/v1/preset-reasons                    |                    | STAFF                | author other
POST   /api/v1/preset-reasons                    |                    | admin                | OTHERS
GET    /api/v1/preset-reasons/{reason_id}        |                    | STAFF                | author other
PATCH  /api/v1/preset-reasons/{reason_id}        |                    | admin                | OTHERS
GET    /api/v1/audit/approvals                   |                    | chief admin          | REST
GET    /api/v1/audit/approvals.csv               |                    | chief admin          | REST
GET    /api/v1/audit/approvals.json              |                    | chief admin          | REST
GET    /api/v1/audit/journal                     |                    | chief admin          | REST
POST   /api/v1/submissions                       |                    | author other EDITORS | operator admin
GET    /api/v1/submissions                       |                    | ALL                  |
GET    /api/v1/uploads                           |                    | ALL                  |
OPTIONS /api/v1/tus                              |                    | open                 |
POST   /api/v1/tus                               |                    | ALL                  |

GET    {item}                                    | draft              | author admin         |
GET    {item}                                    | SEEN               | author STAFF         |
PATCH  {item}                                    | draft              | author               | admin
PATCH  {item}                                    | received published | author EDITORS       | operator admin
PATCH  {item}                                    | first_review       | duty                 | NOT_HERE
PATCH  {item}                                    | returned           | author EDITORS       | operator admin
POST   {item}/events                             | draft              |                      | author admin
POST   {item}/events                             | received first_review| duty                 | NOT_HERE
POST   {item}/events                             | returned published | EDITORS              | author operator admin
POST   {item}/claim/renew                        | draft              | author admin         |
POST   {item}/claim/renew                        | SEEN               | author STAFF         |
POST   {item}/comments                           | draft              | author               |
POST   {item}/comments                           | SEEN               | author STAFF         |
GET    {item}/comments                           | draft              | author admin         |
GET    {item}/comments                           | SEEN               | author STAFF         |
POST   /api/v1/comments/{comment_id}/resolve     | draft              | author               |
POST   /api/v1/comments/{comment_id}/resolve     | SEEN               | author STAFF         |
PUT    {item}/autosave                           | draft              | author admin         |
PUT    {item}/autosave                           | SEEN               | author STAFF         |
GET    {item}/autosave                           | ANYTIME            | author               |
DELETE {item}/autosave                           | draft              | author admin         |
DELETE {item}/autosave                           | SEEN               | author STAFF         |
GET    {item}/autosaves                          | draft              | author admin         |
GET    {item}/autosaves                          | SEEN               | author STAFF         |
GET    {item}/proof                              | draft              | author admin         |
GET    {item}/proof                              | SEEN               | author STAFF         |
GET    {item}/history                            | draft              | author admin         |
GET    {item}/history                            | SEEN               | author STAFF         |
GET    {item}/revisions                          | draft              | author admin         |
GET    {item}/revisions                          | SEEN               | author STAFF         |
GET    {item}/revisions/{number}                 | draft              | author admin         |
GET    {item}/revisions/{number}                 | SEEN               | author STAFF         |
GET    {item}/revisions/{before}/diff/{after}    | draft              | author admin         |
GET    {item}/revisions/{before}/diff/{after}    | SEEN               | author STAFF         |
GET    {item}/renditions                         | draft              | author admin         |
GET    {item}/renditions                         | SEEN               | author STAFF         |
GET    {item}/deliveries                         | draft              | author admin         |
GET    {item}/deliveries                         | SEEN               | author STAFF         |
GET    {item}/runs                               | draft              | admin                | author
GET    {item}/runs                               | SEEN               | STAFF                | author
POST   {item}/runs/{run_id}/restart              | draft              |                      | author admin
POST   {item}/runs/{run_id}/restart              | SEEN               | EDITORS operator     | author admin
POST   {item}/uploads                            | draft              | author               | admin
POST   {item}/uploads                            | received published | author STAFF         |
POST   {item}/uploads                            | first_review       | duty                 | NOT_HERE
POST   {item}/uploads                            | returned           | author EDITORS       | operator admin
GET    {item}/uploads                            | draft              | author admin         |
GET    {item}/uploads                            | SEEN               | author STAFF         |
GET    {item}/uploads/{upload_id}                | ANYTIME            | author               |
DELETE {item}/uploads/{upload_id}                | ANYTIME            | author               |
POST   {item}/uploads/{upload_id}/complete       | ANYTIME            | author               |
OPTIONS {item}/tus                               | ANYTIME            | open                 |
POST   {item}/tus                                | draft              | author               | admin
POST   {item}/tus                                | received published | author STAFF         |
POST   {item}/tus                                | first_review       | duty                 | NOT_HERE
POST   {item}/tus                                | returned           | author EDITORS       | operator admin
OPTIONS /api/v1/tus/{upload_id}                  | published          | open                 |
GET    /api/v1/tus/{upload_id}                   | published          | author               |
PATCH  /api/v1/tus/{upload_id}                   | published          | author               |
DELETE /api/v1/tus/{upload_id}                   | published          | author               |
POST   /api/v1/tus/{upload_id}                   | published          | author               |
GET    /api/v1/deliveries/{delivery_id}          | published          | author STAFF         |
POST   /api/v1/deliveries/{delivery_id}/confirm  | published          | EDITORS              | author operator admin
POST   /api/v1/deliveries/{delivery_id}/retry    | published          | EDITORS operator     | author admin
POST   /api/v1/deliveries/{delivery_id}/cancel   | published          | EDITORS              | author operator admin

GET    /feeds/rss.xml                            |                    | open                 |
GET    /feeds/atom.xml                           |                    | open                 |
GET    /feeds/feed.json                          |                    | open                 |
GET    /feeds/ninjs/{story_id}.json              | published          | open                 |
GET    /stories/{story_id}                       | published          | open                 |
GET    /healthz                                  |                    | open                 |
GET    /readyz                                   |                    | open                 |
"""
ITEM = "/api/v1/submissions/{submission_id}"


@dataclass(frozen=True)
class Row:
    """One route in some states: who gets in and who is told no."""

    method: str
    path: str
    states: tuple[str, ...]  # "" for a route that is of no item
    inside: frozenset[str]
    refused: frozenset[str]

    def answer(self, caller: str) -> str:
        if caller == "anonymous":
            return "401"
        return "in" if caller in self.inside else "403" if caller in self.refused else "404"


def _words(cell: str) -> tuple[str, ...]:
    return tuple(" ".join(SHORT.get(word, word) for word in cell.split()).split())


def _row(line: str) -> Row:
    route, states, inside, refused = (cell.strip() for cell in line.split("|"))
    method, path = route.split()
    return Row(
        method,
        path.replace("{item}", ITEM),
        _words(states) or ("",),
        frozenset(_words(inside)),
        frozenset(_words(refused)),
    )


ROWS = [_row(line) for line in EXPECTED.splitlines() if line.strip()]
CASES = [(row, state) for row in ROWS for state in row.states]
DOCUMENT: dict[str, Any] = create_app().openapi()
OPERATIONS = {
    (method.upper(), path): operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}


def test_every_route_has_its_rows_and_every_row_a_route() -> None:
    assert {(row.method, row.path) for row in ROWS} == set(OPERATIONS)


def test_every_route_of_an_item_has_one_row_for_each_state() -> None:
    for method, path in OPERATIONS:
        states = [state for row, state in CASES if (row.method, row.path) == (method, path)]
        assert len(states) == len(set(states)), (method, path)
        if path.startswith(ITEM) or path.startswith("/api/v1/comments/"):
            assert set(states) == set(STATES), (method, path)


def test_nobody_stands_in_a_row_twice_and_everybody_is_known() -> None:
    for row in ROWS:
        assert row.inside.isdisjoint(row.refused), row
        assert row.inside | row.refused <= set(CALLERS) | {"open"}, row


Make = Callable[..., Coroutine[Any, Any, dict[str, Any]]]


@pytest.fixture(scope="module")
async def world(newsroom: Any, api: Any) -> Make:
    """Gives, for a state, a piece of `writer`'s with all that its routes are about; no state: what is of no piece."""

    async def make(row: Row, state: str) -> dict[str, Any]:
        if state:
            return await _piece(newsroom, api, State(state))
        if "{" in row.path:
            return await _no_piece(newsroom, api)
        return {"deputy_id": str(newsroom.people["duty"].id)}

    return make


async def _no_piece(newsroom: Any, api: Any) -> dict[str, Any]:
    number = uuid4().hex[:8]
    async with newsroom.db.transaction() as session:
        nobody = await add_person(
            session, Person(username=number, display_name=number, password_hash="-", roles=[])
        )
        people = {name: newsroom.people[name].id for name in ("head", "duty")}
        lent = LentRole(people["head"], people["duty"], Role.DESK_HEAD, await _tomorrow(session))
        delegation = await grant_delegation(session, lent, newsroom.actor("head"))
    day = "2026-10-10"
    path = f"/v1/working-days/{day}"
    seen = await api.seen(path)
    assert (await api("PUT", path, "admin", json={"is_workday": True}, headers=seen)).is_success
    reason = {"id": f"reason-{number}", "event": "reject", "zh": "重复。", "en": "Twice.", "position": 1}
    assert (await api("POST", "/v1/preset-reasons", "admin", json=reason)).is_success
    return {
        "person_id": nobody.id,
        "delegation_id": delegation.id,
        "workflow_id": 1,
        "column": "要闻",
        "day": day,
        "reason_id": reason["id"],
        "name": "drafts",
        "role": "logo",
    }


async def _tomorrow(session: Any) -> Any:
    return (await (await session.connection()).execute(text("SELECT now() + interval '1 day'"))).scalar_one()


async def _piece(newsroom: Any, api: Any, state: State) -> dict[str, Any]:
    item = await _item_in(newsroom, state)
    ids: dict[str, Any] = {"submission_id": item, "story_id": item, "number": 1, "before": 1, "after": 1}
    async with newsroom.db.transaction() as session:
        ids["version"] = (await load_item(session, item)).row.version
    comment = await api("POST", f"/v1/submissions/{item}/comments", "writer", json={"body": "请核对"})
    kept = {"base_revision_number": 1, "content": {"title": "未保存"}}
    assert (await api("PUT", f"/v1/submissions/{item}/autosave", "writer", json=kept)).is_success
    async with newsroom.db.transaction() as session:
        run = await enqueue(session, Effect.RENDER, item)
        statement = text("UPDATE outbox SET finished_at = now(), has_failed = true WHERE id = :run")
        await (await session.connection()).execute(statement, {"run": run})
        upload = Upload(
            submission_id=item,
            person_id=newsroom.people["writer"].id,
            state="aborted",
            filename="a.jpg",
            size_bytes=1,
            part_size_bytes=1,
            object_key="-",
            s3_upload_id="-",
            expires_at=await _tomorrow(session),
        )
        session.add(upload)
        delivery = Delivery(submission_id=item, revision_number=1, destination_id="short", state="unknown")
        session.add(delivery)
        await session.flush()
        ids |= {"run_id": run, "upload_id": upload.id, "delivery_id": delivery.id}
    return ids | {"comment_id": comment.json()["id"]}


async def _item_in(newsroom: Any, state: State) -> UUID:
    if state is State.DRAFT:
        return UUID(str((await newsroom.draft()).id))
    if state is State.RECEIVED:
        return UUID(str(await newsroom.received()))
    item = await newsroom.in_state(State.FIRST_REVIEW if state is State.RETURNED else state)
    if state is State.RETURNED:
        await newsroom.send(item, Event.RETURN_FOR_REVISION, "duty", "请补充")
    return UUID(str(item))


def _body(row: Row, ids: dict[str, Any]) -> dict[str, Any]:
    """The body of the documented example, about what is there."""
    operation = OPERATIONS[row.method, row.path]
    if "requestBody" not in operation:
        return {}
    reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    example = dict(DOCUMENT["components"]["schemas"][reference.rsplit("/", 1)[-1]]["examples"][0])
    if row.path.endswith("/events"):
        example = {"event": "claim"}
    if row.path.endswith("/autosave"):
        example["base_revision_number"] = 1
    if row.path.endswith("/delegations"):
        example |= {"deputy_id": ids["deputy_id"], "ends_at": "2099-01-01T00:00:00Z"}
    if row.path.endswith("/people"):
        example["username"] = uuid4().hex
    return {"json": example}


async def _token(newsroom: Any, who: str) -> str:
    async with newsroom.db.transaction() as session:
        token, _ = await open_sign_in(session, newsroom.people[who], 1)
    return str(token)


def _class_of(answer: Any) -> str:
    assert answer.status_code < 500, answer.text
    return str(answer.status_code) if answer.status_code in (401, 403, 404) else "in"


@pytest.mark.parametrize(
    ("row", "state"), CASES, ids=[f"{row.method} {row.path} {state}".strip() for row, state in CASES]
)
async def test_route_lets_in_those_of_its_row_and_nobody_else(
    newsroom: Any, api: Any, world: Make, row: Row, state: str
) -> None:
    """Who is let in may change what is there, so the next caller finds it anew."""
    found: dict[str, str] = {}
    ids = await world(row, state)
    for caller, who in CALLERS.items():
        if row.method != "GET" and "in" in list(found.values())[-1:]:
            ids = await world(row, state)
        found[caller] = _class_of(await _ask(newsroom, api, row, who, ids))
    if "open" in row.inside:
        assert len(set(found.values())) == 1
        assert row.path == "/api/v1/sessions" or not {"401", "403"} & set(found.values())
        return
    assert found == {caller: row.answer(caller) for caller in CALLERS}


async def _ask(newsroom: Any, api: Any, row: Row, who: str | None, ids: dict[str, Any]) -> Any:
    headers = {"If-Match": f'"{ids.get("version")}"'} if row.path == ITEM and row.method == "PATCH" else {}
    if "/tus" in row.path:
        headers |= {"Tus-Resumable": "1.0.0", "X-HTTP-Method-Override": "HEAD"}
        headers |= {"Upload-Length": "1", "Upload-Metadata": "filename YS5qcGc="}
    if who is not None and row.path.endswith("/sessions/current"):
        headers["Authorization"] = f"Bearer {await _token(newsroom, who)}"
    query = {"/api/v1/working-days": {"year": 2026}, "/api/v1/search": {"q": "通车"}}.get(row.path, {})
    path = row.path.format(**ids)
    method = "HEAD" if row.path.endswith("/stream") else row.method  # its answer to GET has no end
    return await api(method, path, who, headers=headers, params=query, **_body(row, ids))
