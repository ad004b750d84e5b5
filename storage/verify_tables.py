"""The tables that follow from events, held against them by the database itself: states, approvals, revisions."""

from sqlmodel.ext.asyncio.session import AsyncSession

from states.ledger import NotCanonical, canonical_sha256
from storage.findings import Findings, json_of, rows_of

_STATES = """
    SELECT coalesce(item.id, last.submission_id) || '/' || coalesce(last.item_seq, 0) AS place
    FROM submission AS item FULL JOIN (
        SELECT DISTINCT ON (submission_id) submission_id, item_seq, to_state, revision_sha256, hash
        FROM event ORDER BY submission_id, item_seq DESC
    ) AS last ON last.submission_id = item.id
    WHERE (item.version, item.state, item.revision_sha256, item.last_event_hash)
        IS DISTINCT FROM (last.item_seq, last.to_state, last.revision_sha256, last.hash)
"""
# As text, so that a value somebody made up cannot end the query.
_APPROVALS = """
    SELECT coalesce(told.submission_id, approval.submission_id) || '/'
        || coalesce(told.item_seq, approval.item_seq) AS place
    FROM (
        SELECT submission_id, item_seq, event, from_state, to_state, revision_sha256, facts, at,
            actor_id::text AS actor,
            count(*) FILTER (WHERE to_state = 'received' AND from_state <> 'received')
                OVER (PARTITION BY submission_id ORDER BY item_seq) AS round
        FROM event
    ) AS told FULL JOIN approval
        ON approval.submission_id = told.submission_id AND approval.item_seq = told.item_seq
    WHERE (approval.item_seq IS NOT NULL OR told.event IN ('approve', 'confirm_override')) AND (
        (approval.review_round, approval.stage, approval.revision_sha256, approval.at)
            IS DISTINCT FROM (told.round, told.facts ->> 'stage', told.revision_sha256, told.at)
        OR (
            approval.person_id::text, approval.on_behalf_of::text, approval.delegation_id::text,
            approval.confirmed_by::text
        ) IS DISTINCT FROM (
            CASE told.event WHEN 'approve' THEN actor WHEN 'confirm_override' THEN facts ->> 'override_asked_by' END,
            CASE told.event WHEN 'approve' THEN facts ->> 'on_behalf_of' END,
            CASE told.event WHEN 'approve' THEN facts -> 'delegation' ->> 'id' END,
            CASE told.event WHEN 'confirm_override' THEN actor END
        )
        OR told.to_state = 'approved'
            AND approval.manifest_sha256 IS DISTINCT FROM told.facts ->> 'manifest_sha256'
        OR told.from_state <> 'final_review' AND approval.manifest_sha256 IS NOT NULL
    )
"""
_NUMBERS = """
    SELECT coalesce(told.submission_id, revision.submission_id) || ' revision '
        || coalesce(told.number, revision.number) AS place
    FROM (
        SELECT submission_id, revision_sha256, actor_id, at,
            row_number() OVER (PARTITION BY submission_id ORDER BY item_seq) AS number
        FROM (
            SELECT submission_id, item_seq, revision_sha256, actor_id, at,
                lag(revision_sha256) OVER (PARTITION BY submission_id ORDER BY item_seq) AS before
            FROM event
        ) AS step WHERE revision_sha256 IS DISTINCT FROM before
    ) AS told FULL JOIN revision
        ON revision.submission_id = told.submission_id AND revision.number = told.number
    WHERE (revision.sha256, revision.editor_id, revision.created_at)
        IS DISTINCT FROM (told.revision_sha256, told.actor_id, told.at)
"""
# A retention rule may have emptied a revision that nobody approved; the journal then says so, up to which number.
_CONTENTS = """
    SELECT submission_id, number, sha256, content::text AS content, content = '{}' AND EXISTS (
        SELECT FROM journal WHERE action = 'retention_removed' AND subject = submission_id::text
        AND number <= CAST(facts ->> 'forgotten_up_to' AS integer)
    ) AS is_forgotten
    FROM revision
"""
_QUERIES = (
    (
        _STATES,
        "稿件现状与事件推得的不一致。",
        "The piece stands otherwise than its events say (state, version, revision or last hash).",
    ),
    (_APPROVALS, "审批表与事件不一致。", "The approval is not that of the event."),
    (_NUMBERS, "版本表与事件不一致。", "The revision is not the one that the events name."),
)


async def verify_tables(session: AsyncSession, findings: Findings) -> None:
    """Every piece stands where its events led it, with the approvals and contents that they name."""
    for query, zh, en in _QUERIES:
        async for rows in rows_of(session, query):
            for row in rows:
                findings.add(row["place"], zh, en)
    async for rows in rows_of(session, _CONTENTS):
        for row in rows:
            if row["is_forgotten"]:
                findings.erased += 1
            elif not _is_content(row["content"], row["sha256"]):
                where = f"{row['submission_id']} revision {row['number']}"
                findings.add(where, "内容与其哈希不符。", "Its content is not the one of its hash.")


def _is_content(content: str, sha256: str) -> bool:
    try:
        return canonical_sha256(json_of(content)) == sha256
    except NotCanonical:
        return False
