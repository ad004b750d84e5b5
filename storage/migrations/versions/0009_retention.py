"""retention rules"""

from alembic import op
import sqlalchemy as sa
import sqlmodel

revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None


def upgrade() -> None:
    _rules()
    _removed_files()
    _forgotten_drafts()


def _rules() -> None:
    op.create_table('retention_rule',
    sa.Column('name', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('keep_days', sa.Integer(), nullable=False),
    sa.Column('is_on', sa.Boolean(), server_default=sa.text('false'), nullable=False),
    sa.Column('swept_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint('keep_days >= 1', name='retention_rule_days'),
    # The law's six months (storage/retention_rules.py says which law), whatever the application would write.
    sa.CheckConstraint("name <> 'logs' OR keep_days >= 184", name='retention_rule_logs'),
    sa.PrimaryKeyConstraint('name')
    )
    op.execute("""
        INSERT INTO retention_rule (name, keep_days, is_on)
        VALUES ('drafts', 365, false), ('rejected', 365, false), ('logs', 184, true)
    """)


def _removed_files() -> None:
    op.create_table('asset_removed',
    sa.Column('asset_id', sa.Uuid(), nullable=False),
    sa.Column('rule', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('removed_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['asset_id'], ['asset.id'], ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('asset_id')
    )
    # The same file sent again is there again. Before the insert, which then finds the row that it had.
    op.execute("""
        CREATE FUNCTION asset_is_back() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            WITH back AS (
                DELETE FROM asset_removed USING asset
                WHERE asset.id = asset_removed.asset_id
                AND asset.submission_id = NEW.submission_id AND asset.sha256 = NEW.sha256
                RETURNING asset_id
            )
            UPDATE asset SET intake = 'waiting' FROM back WHERE asset.id = back.asset_id;
            RETURN NEW;
        END $$
    """)
    op.execute("""
        CREATE TRIGGER asset_is_back BEFORE INSERT ON asset
        FOR EACH ROW EXECUTE FUNCTION asset_is_back()
    """)


def _forgotten_drafts() -> None:
    op.execute("DROP TRIGGER revision_append_only ON revision")
    op.execute("""
        CREATE TRIGGER revision_stays BEFORE DELETE ON revision
        FOR EACH ROW EXECUTE FUNCTION refuse_change()
    """)
    # One change only: what a piece said that nobody approved is forgotten; its hash stays on record.
    op.execute("""
        CREATE FUNCTION refuse_revision_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.content = '{}' AND to_jsonb(OLD) - 'content' = to_jsonb(NEW) - 'content'
                AND EXISTS (
                    SELECT FROM submission WHERE id = OLD.submission_id AND state IN ('draft', 'withdrawn')
                    AND signed_revision_number IS NULL AND live_revision_number IS NULL
                )
                AND NOT EXISTS (SELECT FROM approval WHERE submission_id = OLD.submission_id) THEN
                RETURN NEW;
            END IF;
            RAISE EXCEPTION 'table revision is append-only: UPDATE refused' USING ERRCODE = 'restrict_violation';
        END $$
    """)
    op.execute("""
        CREATE TRIGGER revision_unchanged BEFORE UPDATE ON revision
        FOR EACH ROW EXECUTE FUNCTION refuse_revision_change()
    """)
    # With the owner's rights, for the application may not change a revision: it asks, and this decides by the rule.
    schema = op.get_bind().execute(sa.text('SELECT current_schema()')).scalar_one().replace('"', '""')
    op.execute(f"""
        CREATE FUNCTION forget_draft(item uuid) RETURNS integer
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = "{schema}", pg_temp AS $$
        DECLARE
            forgotten integer;
        BEGIN
            PERFORM FROM submission JOIN retention_rule ON retention_rule.name = 'drafts'
            WHERE id = item AND state IN ('draft', 'withdrawn')
            AND signed_revision_number IS NULL AND live_revision_number IS NULL
            AND NOT EXISTS (SELECT FROM approval WHERE submission_id = item)
            AND updated_at < now() - keep_days * interval '1 day';
            IF NOT FOUND THEN
                RETURN 0;
            END IF;
            UPDATE revision SET content = '{{}}' WHERE submission_id = item AND content <> '{{}}';
            GET DIAGNOSTICS forgotten = ROW_COUNT;
            UPDATE submission SET title = '' WHERE id = item;
            DELETE FROM autosave WHERE submission_id = item;
            RETURN forgotten;
        END $$
    """)
