"""The retention rules, for administrators. What they would remove, `sanshen retention` lists first."""

from uuid import UUID

from fastapi import APIRouter, Response

from api.asking import ADMINISTRATORS, Asker, Unit, require
from api.openapi import API, problems
from api.preconditions import IfMatch, content_tag, require_current
from api.problems import invalid_field
from api.schemas.retention import RetentionOrder, RetentionRules, RetentionRuleShown, RuleName
from storage.retention_rules import Chosen, RetentionRefused, chosen_rule, chosen_rules, set_rule, shown_rule

router = APIRouter(prefix=f"{API}/retention-rules", tags=["retention"])


@router.get("", summary="保存期限 · Retention rules", responses=problems("role-missing"))
async def rules(asker: Asker, unit: Unit) -> RetentionRules:
    """Every rule as it stands, with what the law asks for."""
    require(asker, ADMINISTRATORS, "list_retention_rules")
    return RetentionRules(items=[RetentionRuleShown.of(each) for each in await chosen_rules(unit)])


@router.get(
    "/{name}",
    summary="一条保存期限 · One retention rule",
    responses=problems("role-missing", "not-found", "invalid-request"),
)
async def one_rule(name: RuleName, asker: Asker, unit: Unit, response: Response) -> RetentionRuleShown:
    """One rule; its ETag is for changing it."""
    require(asker, ADMINISTRATORS, "read_retention_rule")
    return _tagged(await shown_rule(unit, name), response)


@router.put(
    "/{name}",
    summary="设定保存期限 · Set a retention rule",
    responses=problems(
        "role-missing", "not-found", "stale-version", "precondition-required", "invalid-request"
    ),
)
async def set_one(
    name: RuleName,
    order: RetentionOrder,
    asker: Asker,
    unit: Unit,
    response: Response,
    if_match: IfMatch = None,
) -> RetentionRuleShown:
    """Choose how long; less than the law asks for is refused. What is published is kept for good."""
    require(asker, ADMINISTRATORS, "set_retention_rule")
    require_current(if_match, RetentionRuleShown.of(await chosen_rule(unit, name)))
    try:
        chosen = await set_rule(unit, name, order.keep_days, order.is_on, UUID(asker.person_id))
    except RetentionRefused as error:
        raise invalid_field("keep_days", error.text.zh, error.text.en) from error
    return _tagged(chosen, response)


def _tagged(chosen: Chosen, response: Response) -> RetentionRuleShown:
    shown = RetentionRuleShown.of(chosen)
    response.headers["ETag"] = content_tag(shown)
    return shown
