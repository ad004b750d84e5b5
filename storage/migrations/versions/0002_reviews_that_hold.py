"""reviews that hold"""

import json

from alembic import op
import sqlalchemy as sa
import sqlmodel
from sqlalchemy.dialects import postgresql

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None

APPEND_ONLY = ("journal", "workflow")
# states.workflow.STANDARD as it was when this was written; what it is in the code later changes no old item.
STANDARD = {
    "start": "first_review",
    "stages": [
        {
            "key": key,
            "state": key,
            "label": {"zh": zh, "en": en},
            "role": role,
            "next": following,
            "signatures": 1,
            "deadline": {"ordinary_min": 240, "fast_track_min": 30, "remind_min": 60},
        }
        for key, zh, en, role, following in (
            ("first_review", "初审", "first review", "duty_editor", "second_review"),
            ("second_review", "复审", "second review", "desk_head", "final_review"),
            ("final_review", "终审", "final review", "editor_in_chief", None),
        )
    ],
}


def upgrade() -> None:
    _refuse_older_records()
    _people()
    _submissions()
    _record()
    _approvals()


def _refuse_older_records() -> None:
    found = op.get_bind().execute(sa.text("SELECT EXISTS (SELECT FROM event)")).scalar_one()
    if found:
        raise RuntimeError(
            "这个数据目录由 0.1 之前的开发版本建立，其中的记录不能转入账本。请移走它（SANSHEN_HOME，默认 .sanshen）后重新启动。 "
            "This data folder is from a development version before 0.1, whose record cannot become a ledger. "
            "Move it away (SANSHEN_HOME, by default .sanshen) and start again."
        )


def _people() -> None:
    op.create_table('delegation',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('principal_id', sa.Uuid(), nullable=False),
    sa.Column('deputy_id', sa.Uuid(), nullable=False),
    sa.Column('role', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('starts_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('ends_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('note', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('granted_by', sa.Uuid(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('revoked_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('revoked_by', sa.Uuid(), nullable=True),
    sa.ForeignKeyConstraint(['principal_id'], ['person.id'], ),
    sa.ForeignKeyConstraint(['deputy_id'], ['person.id'], ),
    sa.ForeignKeyConstraint(['granted_by'], ['person.id'], ),
    sa.ForeignKeyConstraint(['revoked_by'], ['person.id'], ),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index(op.f('ix_delegation_principal_id'), 'delegation', ['principal_id'], unique=False)
    op.create_index(op.f('ix_delegation_deputy_id'), 'delegation', ['deputy_id'], unique=False)


def _submissions() -> None:
    op.create_table('workflow',
    sa.Column('id', sa.Integer(), sa.Identity(), nullable=False),
    sa.Column('column_name', sqlmodel.sql.sqltypes.AutoString(), nullable=True),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('definition', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    sa.Column('created_by', sa.Uuid(), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['created_by'], ['person.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('column_name', 'number', postgresql_nulls_not_distinct=True)
    )
    op.get_bind().execute(
        sa.text("INSERT INTO workflow (column_name, number, definition) VALUES (NULL, 1, CAST(:it AS JSONB))"),
        {"it": json.dumps(STANDARD, ensure_ascii=False)},
    )
    op.drop_column('submission', 'workflow_version')
    for column in (
        sa.Column('workflow_id', sa.Integer(), nullable=True),
        sa.Column('workflow_column', sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column('stage', sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column('claimed_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('claimed_until', sa.DateTime(timezone=True), nullable=True),
        sa.Column('override', postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column('due_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('remind_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('escalate_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('release_local', sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column('signed_revision_number', sa.Integer(), nullable=True),
        sa.Column('release_zone', sqlmodel.sql.sqltypes.AutoString(), nullable=True),
    ):
        op.add_column('submission', column)
    op.create_foreign_key(None, 'submission', 'workflow', ['workflow_id'], ['id'])
    for name, columns, where in (
        ('submission_queue', ['stage', 'due_at', 'id'], 'stage IS NOT NULL'),
        ('submission_remind', ['remind_at'], 'remind_at IS NOT NULL'),
        ('submission_escalate', ['escalate_at'], 'escalate_at IS NOT NULL'),
        ('submission_release', ['state'], 'release_local IS NOT NULL'),
    ):
        op.create_index(name, 'submission', columns, unique=False, postgresql_where=sa.text(where))


def _record() -> None:
    op.drop_column('event', 'reason')
    op.drop_column('event', 'comment')
    op.add_column('event', sa.Column('commitments', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False))
    op.create_table('disclosure',
    sa.Column('submission_id', sa.Uuid(), nullable=False),
    sa.Column('item_seq', sa.Integer(), nullable=False),
    sa.Column('opened', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    sa.ForeignKeyConstraint(['submission_id', 'item_seq'], ['event.submission_id', 'event.item_seq'], ),
    sa.PrimaryKeyConstraint('submission_id', 'item_seq')
    )
    op.create_table('journal',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('action', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('actor_id', sa.Uuid(), nullable=True),
    sa.Column('subject', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('facts', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('hash', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.ForeignKeyConstraint(['actor_id'], ['person.id'], ),
    sa.PrimaryKeyConstraint('id')
    )
    for table in APPEND_ONLY:
        op.execute(f"""
            CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON "{table}"
            FOR EACH ROW EXECUTE FUNCTION refuse_change()
        """)
        op.execute(f"""
            CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON "{table}"
            FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
        """)


def _approvals() -> None:
    op.drop_constraint('approval_pkey', 'approval')
    op.create_primary_key('approval_pkey', 'approval', ['submission_id', 'review_round', 'stage', 'person_id'])
    for column in (
        sa.Column('on_behalf_of', sa.Uuid(), nullable=True),
        sa.Column('delegation_id', sa.Uuid(), nullable=True),
        sa.Column('confirmed_by', sa.Uuid(), nullable=True),
    ):
        op.add_column('approval', column)
    op.create_foreign_key(None, 'approval', 'person', ['on_behalf_of'], ['id'])
    op.create_foreign_key(None, 'approval', 'person', ['confirmed_by'], ['id'])
    op.create_foreign_key(None, 'approval', 'delegation', ['delegation_id'], ['id'])
    op.create_index(op.f('ix_approval_person_id'), 'approval', ['person_id'], unique=False)
    op.create_index('approval_at', 'approval', ['at', 'submission_id', 'item_seq'], unique=False)
    # The newsroom's rule in the database too: whatever wrote the row, code or a hand at the console.
    op.execute("""
        CREATE FUNCTION check_approval() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            item record;
            people uuid[] := array_remove(ARRAY[NEW.person_id, NEW.on_behalf_of], NULL);
        BEGIN
            SELECT author_id, last_editor_id, revision_sha256 INTO STRICT item
            FROM submission WHERE id = NEW.submission_id;
            IF item.author_id = ANY (people) OR item.last_editor_id = ANY (people) THEN
                RAISE EXCEPTION 'an approval by the author or the last editor of %', NEW.submission_id
                    USING ERRCODE = 'check_violation';
            END IF;
            IF NEW.revision_sha256 <> item.revision_sha256 THEN
                RAISE EXCEPTION 'an approval of % for content that is not the current one', NEW.submission_id
                    USING ERRCODE = 'check_violation';
            END IF;
            IF NEW.confirmed_by = ANY (people) THEN
                RAISE EXCEPTION 'an override of % confirmed by the one who asked', NEW.submission_id
                    USING ERRCODE = 'check_violation';
            END IF;
            IF EXISTS (
                SELECT FROM approval WHERE submission_id = NEW.submission_id
                AND (stage <> NEW.stage OR review_round = NEW.review_round)
                AND (person_id = ANY (people) OR on_behalf_of = ANY (people))
            ) THEN
                RAISE EXCEPTION 'a second stage or signature of % by one person', NEW.submission_id
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NEW;
        END $$
    """)
    op.execute("""
        CREATE TRIGGER approval_independent BEFORE INSERT ON approval
        FOR EACH ROW EXECUTE FUNCTION check_approval()
    """)
    op.execute("""
        CREATE FUNCTION check_sign_off() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            -- A sign-off that is recalled leaves the one before it, or none.
            IF NEW.signed_revision_number IS NULL
                OR NEW.signed_revision_number IS NOT DISTINCT FROM NEW.live_revision_number
                AND NEW.signed_revision_number < NEW.revision_number THEN
                RETURN NULL;
            END IF;
            IF NEW.signed_revision_number <> NEW.revision_number OR (
                SELECT count(DISTINCT person_id) FILTER (
                    WHERE stage IN ('first_review', 'second_review', 'final_review')
                ) < 3 OR count(DISTINCT stage) FILTER (
                    WHERE stage IN ('first_review', 'second_review', 'final_review')
                ) < 3
                FROM approval
                WHERE submission_id = NEW.id AND review_round = NEW.review_round
                AND revision_sha256 = NEW.revision_sha256
            ) THEN
                RAISE EXCEPTION 'a sign-off of % without three reviews by three people', NEW.id
                    USING ERRCODE = 'check_violation';
            END IF;
            RETURN NULL;
        END $$
    """)
    # At the end of the transaction: approval and piece are written by one statement, in no order of their own.
    op.execute("""
        CREATE CONSTRAINT TRIGGER submission_signed_by_three
        AFTER UPDATE OF signed_revision_number ON submission
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
        WHEN (NEW.signed_revision_number IS DISTINCT FROM OLD.signed_revision_number)
        EXECUTE FUNCTION check_sign_off()
    """)
    op.execute("""
        CREATE FUNCTION check_going_out() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'revision % of % was not signed and cannot go out', NEW.live_revision_number, NEW.id
                USING ERRCODE = 'check_violation';
        END $$
    """)
    op.execute("""
        CREATE TRIGGER submission_signed_goes_out BEFORE UPDATE OF live_revision_number ON submission
        FOR EACH ROW
        WHEN (
            NEW.live_revision_number IS DISTINCT FROM OLD.live_revision_number
            AND NEW.live_revision_number IS DISTINCT FROM NEW.signed_revision_number
        )
        EXECUTE FUNCTION check_going_out()
    """)
