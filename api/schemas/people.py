"""Sign-in and people."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field

from api.schemas.base import Body, Name, Shown, Words

# Everything but `system`, which no person can hold.
PersonRole = Literal[
    "correspondent", "duty_editor", "desk_head", "editor_in_chief", "operator", "administrator"
]


class Credentials(Body):
    """Who signs in."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"username": "zhang.wei", "password": "correct horse battery"}]}
    )
    username: Words = Field(max_length=64)
    password: Words = Field(max_length=256)


class PersonShown(Shown):
    """A person with what they may do. No columns means every column."""

    id: UUID
    username: str
    display_name: str
    roles: list[str]
    columns: list[str]
    is_active: bool


class SignedIn(Shown):
    """A sign-in. The token is shown this once."""

    token: str
    expires_at: datetime
    person: PersonShown


def _each_once(values: list[str]) -> list[str]:
    return list(dict.fromkeys(values))


class NewPerson(Body):
    """A person to be added."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "username": "li.na",
                    "display_name": "李娜",
                    "password": "correct horse battery",
                    "roles": ["duty_editor"],
                    "columns": ["要闻"],
                }
            ]
        }
    )
    username: str = Field(min_length=2, max_length=64, pattern=r"^[\w.@-]+$")
    display_name: Name
    password: Words = Field(min_length=8, max_length=256)
    roles: Annotated[list[PersonRole], AfterValidator(_each_once), Field(min_length=1, max_length=6)]
    columns: Annotated[list[Name], AfterValidator(_each_once)] = Field(default_factory=list, max_length=50)
