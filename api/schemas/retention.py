"""How long things are kept: the rules, what the law asks for, what an administrator chooses."""

from typing import Literal

from pydantic import ConfigDict, Field

from api.schemas.base import Body, Shown, TextShown
from storage.retention_rules import LONGEST_DAYS, Certainty, Chosen, LegalMinimum

RuleName = Literal["drafts", "rejected", "logs", "published"]


class LegalMinimumShown(Shown):
    """What a law or rule asks for, in its own words."""

    days: int
    says: str
    source: str
    certainty: Certainty = Field(description="H: read at the source, M: a copy by others, L: weak.")

    @classmethod
    def of(cls, law: LegalMinimum) -> "LegalMinimumShown":
        """From the rule."""
        return cls(days=law.days, says=law.says, source=law.source, certainty=law.certainty)


class RetentionRuleShown(Shown):
    """One rule. `keep_days` null: kept for good."""

    name: str
    what: TextShown
    removal: TextShown
    keep_days: int | None
    is_on: bool = Field(description="Whether the daily sweep removes what is older.")
    minimum_days: int
    laws: list[LegalMinimumShown]

    @classmethod
    def of(cls, chosen: Chosen) -> "RetentionRuleShown":
        """From the rule as it stands."""
        rule = chosen.rule
        return cls(
            name=rule.name,
            what=TextShown.of(rule.what),
            removal=TextShown.of(rule.removal),
            keep_days=chosen.keep_days,
            is_on=chosen.is_on,
            minimum_days=rule.minimum_days,
            laws=[LegalMinimumShown.of(law) for law in rule.laws],
        )


class RetentionRules(Shown):
    """All rules."""

    items: list[RetentionRuleShown]


class RetentionOrder(Body):
    """How long, and whether the daily sweep removes what is older."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"keep_days": 365, "is_on": True}]})
    keep_days: int = Field(ge=1, le=LONGEST_DAYS)
    is_on: bool
