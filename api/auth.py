"""Signing in and out. One answer for an unknown name and a wrong password, in the same time."""

import math

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request, Response
from sqlmodel.ext.asyncio.session import AsyncSession

from api.asking import Held, Resources, Token, Unit, unauthenticated
from api.openapi import API, problems
from api.problems import ApiProblem
from api.schemas.people import Credentials, PersonShown, SignedIn
from states.text import Text
from storage.people import close_sign_in, open_sign_in, person_by_token, person_by_username, verify_password
from storage.tables import Person

router = APIRouter(prefix=API, tags=["sign-in"])
# Argon2 takes 30 ms of a core and 64 MiB on purpose: a crowd at the door waits instead of taking the machine.
_HASHING = CapacityLimiter(2)


@router.post(
    "/sessions",
    status_code=201,
    summary="登录 · Sign in",
    responses=problems("wrong-credentials", "invalid-request", "too-many-attempts", is_open=True),
)
async def sign_in(credentials: Credentials, request: Request, held: Held) -> SignedIn:
    """Give a token that lasts some hours. Ten failures in five minutes from one address close that name to it."""
    address = request.client.host if request.client else ""
    _let_in(held, credentials.username, address)
    async with held.db.transaction() as session:
        person = await person_by_username(session, credentials.username)
    password_hash = person.password_hash if person else None
    fits = await to_thread.run_sync(verify_password, password_hash, credentials.password, limiter=_HASHING)
    if person is None or not fits:
        raise _wrong()
    held.sign_ins.succeed(credentials.username, address)
    async with held.db.transaction() as session:
        token, expires_at = await open_sign_in(session, person, held.settings.session_hours)
    return SignedIn(token=token, expires_at=expires_at, person=PersonShown.model_validate(person))


@router.delete(
    "/sessions/current",
    status_code=204,
    summary="退出 · Sign out",
    responses=problems(),
)
async def sign_out(token: Token, unit: Unit) -> Response:
    """End this sign-in; a token that has ended already is no error."""
    await close_sign_in(unit, token)
    return Response(status_code=204)


@router.get("/me", summary="当前登录人 · Who am I", responses=problems())
async def me(token: Token, unit: Unit) -> PersonShown:
    """The person who is signed in."""
    return PersonShown.model_validate(await _person(unit, token))


async def _person(session: AsyncSession, token: str) -> Person:
    person = await person_by_token(session, token)
    if person is None:
        raise unauthenticated()
    return person


def _let_in(held: Resources, username: str, address: str) -> None:
    wait_s = held.sign_ins.begin(username, address)
    if wait_s is None:
        return
    seconds = max(1, math.ceil(wait_s))
    text = Text(
        f"登录失败次数过多，请在 {seconds} 秒后再试。",
        f"Too many failed attempts; try again in {seconds} seconds.",
    )
    raise ApiProblem("too-many-attempts", text, Retry_After=str(seconds))


def _wrong() -> ApiProblem:
    text = Text("登录名或密码不正确，请重新输入。", "The sign-in name or the password is wrong; try again.")
    return ApiProblem("wrong-credentials", text, WWW_Authenticate='Bearer realm="sanshen"')
