"""How long the newsroom keeps what: the rules as data, what the law asks for at the least, and what was chosen."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal
from uuid import UUID

from sqlalchemy import text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from states.text import Text
from storage.errors import NotFound, StorageError
from storage.journal import write_journal
from storage.tables import RetentionRule

Certainty = Literal["H", "M", "L"]
DRAFTS, REJECTED, LOGS, PUBLISHED = "drafts", "rejected", "logs", "published"
LONGEST_DAYS = 36_500
_FRESH = {"populate_existing": True}


@dataclass(frozen=True, slots=True)
class LegalMinimum:
    """What a law or rule asks for. Certainty: H read at the source, M a copy by others, L weak."""

    days: int
    says: str
    source: str
    certainty: Certainty


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of thing: what it is, what its removal means, and the least number of days that may be chosen."""

    name: str
    what: Text
    removal: Text
    floor_days: int
    laws: tuple[LegalMinimum, ...] = ()
    is_ever_removed: bool = True

    @property
    def minimum_days(self) -> int:
        """The longest that a law asks for, and never less than the house's own floor."""
        return max(self.floor_days, *(law.days for law in self.laws), 0)


_NETWORK_LOGS = LegalMinimum(
    184,  # the longest six months of a calendar, July to December
    "采取监测、记录网络运行状态、网络安全事件的技术措施，并按照规定留存相关的网络日志不少于六个月",
    "《中华人民共和国网络安全法》第二十一条第三项（2016 年文本的条次；2025 年 10 月修改、2026 年 1 月 1 日施行后条次"
    "有变动），政府网站所载引文，2026-11-22 读",
    "M",
)
_INFORMATION_SERVICES = LegalMinimum(
    60,
    "从事新闻、出版以及电子公告等服务项目的互联网信息服务提供者，应当记录提供的信息内容及其发布时间、互联网地址或者域名；"
    "……记录备份应当保存60日，并在国家有关机关依法查询时，予以提供",
    "国务院令第292号《互联网信息服务管理办法》第十四条，第三方转载全文，2026-11-22 读",
    "M",
)

RULES: Mapping[str, Rule] = MappingProxyType(
    {
        rule.name: rule
        for rule in (
            Rule(
                DRAFTS,
                Text("长期未动的草稿和已撤回稿件", "drafts and withdrawn pieces that nobody touched"),
                Text(
                    "删除文件；从未有人审过的，正文也清空。事件、各版哈希和文件名保留。",
                    "Their files go; where nobody approved anything, the text too. Events, hashes, file names stay.",
                ),
                30,
            ),
            Rule(
                REJECTED,
                Text("已退稿件的文件", "files of rejected pieces"),
                Text(
                    "删除文件；正文、退稿理由和全部事件保留。",
                    "Their files go; text, reasons and all events stay.",
                ),
                60,
            ),
            Rule(
                LOGS,
                Text("本机日志文件", "log files of this host"),
                Text("删除已换下的日志文件。", "Log files that were put aside go."),
                1,
                (_NETWORK_LOGS, _INFORMATION_SERVICES),
            ),
            Rule(
                PUBLISHED,
                Text("已发布的稿件", "published stories"),
                Text(
                    "永不删除；撤稿只是不再公开。",
                    "Never removed; a retraction only takes them from readers.",
                ),
                1,
                (_INFORMATION_SERVICES,),
                is_ever_removed=False,
            ),
        )
    }
)


@dataclass(frozen=True, slots=True)
class Chosen:
    """A rule as it stands; `keep_days` None: for good."""

    rule: Rule
    keep_days: int | None
    is_on: bool


class RetentionRefused(StorageError):
    """The rule cannot be set like this; nothing was stored."""


async def chosen_rules(session: AsyncSession) -> list[Chosen]:
    """Every rule as it stands."""
    rows = {row.name: row for row in await session.exec(select(RetentionRule).execution_options(**_FRESH))}
    return [_chosen(rule, rows.get(rule.name)) for rule in RULES.values()]


async def shown_rule(session: AsyncSession, name: str) -> Chosen:
    """One rule as it stands. Raises NotFound."""
    for chosen in await chosen_rules(session):
        if chosen.rule.name == name:
            return chosen
    raise NotFound("retention rule", name)


async def chosen_rule(session: AsyncSession, name: str) -> Chosen:
    """One rule as it stands, locked until the transaction ends. Raises NotFound."""
    if name not in RULES:
        raise NotFound("retention rule", name)
    statement = select(RetentionRule).where(col(RetentionRule.name) == name).with_for_update()
    return _chosen(RULES[name], (await session.exec(statement.execution_options(**_FRESH))).first())


def _chosen(rule: Rule, row: RetentionRule | None) -> Chosen:
    if row is None or not rule.is_ever_removed:
        return Chosen(rule, None, False)
    return Chosen(rule, row.keep_days, row.is_on)


async def set_rule(session: AsyncSession, name: str, keep_days: int, is_on: bool, actor_id: UUID) -> Chosen:
    """Choose how long, and whether the daily sweep removes what is older. Raises NotFound, RetentionRefused."""
    rule = (await chosen_rule(session, name)).rule
    _check(rule, keep_days)
    connection = await session.connection()
    await connection.execute(_SET, {"name": name, "days": keep_days, "is_on": is_on})
    facts = {"keep_days": keep_days, "is_on": is_on}
    await write_journal(session, "retention_rule_set", actor_id, f"retention/{name}", facts)
    return Chosen(rule, keep_days, is_on)


_SET = text("UPDATE retention_rule SET keep_days = :days, is_on = :is_on WHERE name = :name")


def _check(rule: Rule, keep_days: int) -> None:
    if not rule.is_ever_removed:
        raise RetentionRefused(
            Text(
                "已发布的稿件永久保存，没有期限可设。如需从公众面前撤下，请撤稿。",
                "Published stories are kept for good; there is nothing to set. To take one from readers, retract it.",
            )
        )
    if rule.minimum_days <= keep_days <= LONGEST_DAYS:
        return
    cited = "".join(f"{law.source}：{law.says}。" for law in rule.laws if law.days == rule.minimum_days)
    raise RetentionRefused(
        Text(
            f"{rule.what.zh}须保存 {rule.minimum_days} 至 {LONGEST_DAYS} 天，请改为其间的天数。{cited}",
            f"{rule.what.en} are kept between {rule.minimum_days} and {LONGEST_DAYS} days; choose a number between. "
            f"{cited}",
        )
    )
