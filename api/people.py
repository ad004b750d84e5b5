"""People, for administrators: who they are, what they may do, and the end of an account."""

from uuid import UUID

from anyio import to_thread
from fastapi import APIRouter, Response

from api.asking import ADMINISTRATORS, Asker, AskerApart, Held, Unit, require
from api.openapi import API, problems
from api.problems import ApiProblem
from api.schemas.people import NewPerson, PersonShown
from states.text import Text
from storage.people import add_person, deactivate, hash_password, list_people
from storage.tables import Person

router = APIRouter(prefix=f"{API}/people", tags=["people"])


@router.get("", summary="人员名单 · Everybody", responses=problems("role-missing"))
async def everybody(asker: Asker, unit: Unit) -> list[PersonShown]:
    """All people, by sign-in name, closed accounts among them."""
    require(asker, ADMINISTRATORS, "list_people")
    return [PersonShown.model_validate(person) for person in await list_people(unit)]


@router.post(
    "",
    status_code=201,
    summary="新增人员 · Add a person",
    responses=problems("role-missing", "already-exists", "invalid-request"),
)
async def add(new: NewPerson, asker: AskerApart, held: Held) -> PersonShown:
    """Add a person with a first password and their roles."""
    require(asker, ADMINISTRATORS, "add_person")
    person = Person(
        username=new.username,
        display_name=new.display_name,
        password_hash=await to_thread.run_sync(hash_password, new.password),
        roles=list(new.roles),
        columns=list(new.columns),
    )
    async with held.db.transaction() as session:
        return PersonShown.model_validate(await add_person(session, person))


@router.delete(
    "/{person_id}",
    status_code=204,
    summary="停用账号 · Close an account",
    responses=problems("role-missing", "not-found", "own-account", "invalid-request"),
)
async def close(person_id: UUID, asker: Asker, unit: Unit) -> Response:
    """Close the account and end its sign-ins. What the person did stays on record."""
    require(asker, ADMINISTRATORS, "close_account")
    if asker.person_id == str(person_id):
        text = Text(
            "不能停用自己的账号，请由另一位管理员操作。",
            "You cannot close your own account; another administrator must do it.",
        )
        raise ApiProblem("own-account", text)
    await deactivate(unit, person_id, UUID(asker.person_id))
    return Response(status_code=204)
