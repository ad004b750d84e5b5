"""What handlers ask for: the unit of work, the object store, and who is asking."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlmodel.ext.asyncio.session import AsyncSession

from api.feed_cache import FeedCache
from api.live import Live
from api.one_question import OneQuestion
from api.problems import ApiProblem
from api.throttle import Throttle
from api.tus_body import Gate
from states.refusals import RoleMissing
from states.roles import Actor, Role
from states.text import Text
from storage.database import Database
from storage.objects import Objects
from storage.people import actor_by_token
from storage.settings import Settings

STAFF = frozenset(Role) - {Role.CORRESPONDENT, Role.SYSTEM}
ADMINISTRATORS = frozenset({Role.ADMINISTRATOR})


@dataclass(frozen=True, slots=True)
class Resources:
    """What one process of the API holds while it runs."""

    settings: Settings
    db: Database
    objects: Objects
    sign_ins: Throttle = field(default_factory=Throttle)
    feeds: FeedCache = field(default_factory=FeedCache)
    arriving: Gate = field(default_factory=Gate)
    live: Live = field(default_factory=Live)
    store_asking: OneQuestion = field(default_factory=OneQuestion)


async def _resources(request: Request) -> Resources:
    resources: Resources = request.app.state.resources
    return resources


Held = Annotated[Resources, Depends(_resources)]


async def _unit(held: Held) -> AsyncIterator[AsyncSession]:
    async with held.db.transaction() as session:
        yield session


# Committed when the handler has returned and before its answer is sent: an answer says what is on disk.
Unit = Annotated[AsyncSession, Depends(_unit, scope="function")]

_bearer = HTTPBearer(auto_error=False, description="The token that `POST /api/v1/sessions` gave.")


async def _token(credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> str:
    if credentials is None:
        raise unauthenticated()
    return credentials.credentials


Token = Annotated[str, Depends(_token)]


async def _asker(token: Token, unit: Unit, request: Request) -> Actor:
    return await _signed_in(unit, token, request)


# Who asks, read in the transaction of the request itself.
Asker = Annotated[Actor, Depends(_asker)]


async def _asker_apart(token: Token, held: Held, request: Request) -> Actor:
    async with held.db.transaction() as session:
        return await _signed_in(session, token, request)


# Who asks, read in a transaction of its own: for handlers that call the object store.
AskerApart = Annotated[Actor, Depends(_asker_apart)]


async def _signed_in(session: AsyncSession, token: str, request: Request) -> Actor:
    actor = await actor_by_token(session, token)
    if actor is None:
        raise unauthenticated()
    return replace(actor, address=request.client.host if request.client else None)


def unauthenticated() -> ApiProblem:
    """The problem of a request without a token that counts."""
    text = Text(
        "登录已失效或尚未登录，请先登录。", "You are not signed in, or no longer. Sign in, then try again."
    )
    return ApiProblem("unauthenticated", text, WWW_Authenticate='Bearer realm="sanshen"')


def require(actor: Actor, roles: frozenset[Role], what: str) -> None:
    """Nothing, or RoleMissing when the actor holds none of the roles; `what` names the operation."""
    if not actor.rights & roles:
        raise RoleMissing(what, roles)
