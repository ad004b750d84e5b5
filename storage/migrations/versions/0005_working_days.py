"""working days, and queues by time left"""

from alembic import op
import sqlalchemy as sa
import sqlmodel

revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('working_day',
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('is_workday', sa.Boolean(), nullable=False),
    sa.Column('name', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.PrimaryKeyConstraint('day')
    )
    op.create_table('working_hours',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('opens_at', sa.Time(), nullable=False),
    sa.Column('closes_at', sa.Time(), nullable=False),
    sa.Column('zone', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.CheckConstraint('id = 1', name='working_hours_one_row'),
    sa.PrimaryKeyConstraint('id')
    )
    op.execute("INSERT INTO working_hours VALUES (1, '08:30', '17:30', 'Asia/Shanghai')")
    op.add_column('submission', sa.Column('stage_role', sqlmodel.sql.sqltypes.AutoString(), nullable=True))
    op.drop_index('submission_queue', 'submission')
    op.drop_index('submission_release', 'submission')
    by_time_left = sa.text("coalesce(due_at, '2096-01-01 00:00:00+00'::timestamptz)")
    waits = "stage_role IS NOT NULL AND state <> 'held'"
    for name, columns, where in (
        ('submission_queue', ['stage_role', by_time_left, 'id'], waits),
        ('submission_column_queue', ['stage_role', 'column_name', by_time_left, 'id'], waits),
        ('submission_release', ['id'], "state = 'approved' AND signed_revision_number IS DISTINCT FROM live_revision_number"),
        ('submission_claimed', ['claimed_by'], 'claimed_by IS NOT NULL'),
        ('submission_override', ['id'], 'override IS NOT NULL'),
        ('submission_returned', ['author_id'], "state = 'returned'"),
    ):
        op.create_index(name, 'submission', columns, unique=False, postgresql_where=sa.text(where))
