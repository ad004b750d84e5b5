"""Who can act: the roles of the newsroom, the actor of a move, and for whom they may act."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from states.text import Text


class Role(StrEnum):
    """A role that a person can hold; one person can hold several."""

    CORRESPONDENT = "correspondent"
    DUTY_EDITOR = "duty_editor"
    DESK_HEAD = "desk_head"
    EDITOR_IN_CHIEF = "editor_in_chief"
    OPERATOR = "operator"
    ADMINISTRATOR = "administrator"
    SYSTEM = "system"  # flows and the scheduler; no person can hold it


EDITORS = frozenset({Role.DUTY_EDITOR, Role.DESK_HEAD, Role.EDITOR_IN_CHIEF})

ROLE_NAMES: dict[Role, Text] = {
    Role.CORRESPONDENT: Text("通讯员", "correspondent"),
    Role.DUTY_EDITOR: Text("当班编辑", "duty editor"),
    Role.DESK_HEAD: Text("部主任", "desk head"),
    Role.EDITOR_IN_CHIEF: Text("总编辑", "editor-in-chief"),
    Role.OPERATOR: Text("技术运维", "operator"),
    Role.ADMINISTRATOR: Text("管理员", "administrator"),
    Role.SYSTEM: Text("系统", "system"),
}


@dataclass(frozen=True, slots=True)
class Delegated:
    """A role that somebody lends to the actor: whose it is, in which columns (none: in all), until when."""

    role: Role
    principal_id: str
    columns: frozenset[str]
    delegation_id: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks for a move, and from where. `person_id` is None for the machine; no columns means every column."""

    person_id: str | None
    roles: frozenset[Role]
    columns: frozenset[str] = frozenset()
    delegated: tuple[Delegated, ...] = ()
    address: str | None = None

    @property
    def rights(self) -> frozenset[Role]:
        """Their roles, their own and those that are lent to them."""
        return self.roles | {lent.role for lent in self.delegated}


SYSTEM = Actor(None, frozenset({Role.SYSTEM}))
