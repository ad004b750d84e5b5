"""What keeps the reviewers of a piece apart from its author and from each other."""

from states.item import Item, State
from states.roles import EDITORS, Actor


def did_no_other_stage(item: Item, person_id: str | None) -> bool:
    """Whether the person reviewed no other stage of the piece, ever."""
    key = item.here.key if item.here else None
    return all(stage == key or who != person_id for stage, who in item.reviewers)


def columns_fit(item: Item, actor: Actor) -> bool:
    """Whether the piece is in the actor's columns."""
    return not actor.columns or item.column is None or item.column in actor.columns


def may_review(item: Item, actor: Actor) -> bool:
    """Whether the piece could be handed to this person, in their own right or as somebody's deputy."""
    lent = [each for each in actor.delegated if each.until > item.now]
    deputies = (Actor(each.principal_id, frozenset({each.role}), each.columns) for each in lent)
    return (_fits(item, actor) and _is_apart(item, actor.person_id)) or any(
        _fits(item, principal) and _is_apart(item, principal.person_id) and _is_apart(item, actor.person_id)
        for principal in deputies
    )


def _fits(item: Item, actor: Actor) -> bool:
    roles = EDITORS if item.here is None else frozenset({item.here.role})
    return bool(actor.roles & roles) and columns_fit(item, actor)


def _is_apart(item: Item, person_id: str | None) -> bool:
    """Nothing of their own, no other stage of it, not signed here; a correction is nobody's review."""
    if item.state is State.CORRECTING:
        return True
    is_own = person_id in (item.author_id, item.last_editor_id)
    return not is_own and did_no_other_stage(item, person_id) and person_id not in signed_here(item)


def signed_here(item: Item) -> frozenset[str]:
    """Who signed at this stage, and on whose behalf."""
    return item.here.signed_by | item.here.signed_for if item.here else frozenset()
