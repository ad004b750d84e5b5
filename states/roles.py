"""Who can act: the roles of the newsroom and the actor of a move."""

from dataclasses import dataclass
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
class Actor:
    """Who asks for a move. `person_id` is None for the machine; no columns means every column."""

    person_id: str | None
    roles: frozenset[Role]
    columns: frozenset[str] = frozenset()


SYSTEM = Actor(None, frozenset({Role.SYSTEM}))
