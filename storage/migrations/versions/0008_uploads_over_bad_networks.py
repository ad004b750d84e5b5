"""uploads over bad networks: tus, quotas, repeated creation"""

from alembic import op
import sqlalchemy as sa
import sqlmodel
from sqlalchemy.dialects.postgresql import JSONB

revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None


def upgrade() -> None:
    words = sqlmodel.sql.sqltypes.AutoString()
    for column in (
        sa.Column('door', words, nullable=False, server_default='parts'),
        sa.Column('media_type', words, nullable=True),
        sa.Column('offset_bytes', sa.BigInteger(), nullable=False, server_default='0'),
        sa.Column('tails', JSONB, nullable=False, server_default='[]'),
        sa.Column('concat', words, nullable=True),
        sa.Column('joins', JSONB, nullable=False, server_default='[]'),
        sa.Column('tus_metadata', words, nullable=True),
        sa.Column('writer', sa.Uuid(), nullable=True),
        sa.Column('writer_until', sa.DateTime(timezone=True), nullable=True),
        sa.Column('is_stop_wanted', sa.Boolean(), nullable=False, server_default=sa.text('false')),
        sa.Column('cleaned_at', sa.DateTime(timezone=True), nullable=True),
    ):
        op.add_column('upload', column)
    op.create_index('upload_person', 'upload', ['person_id', 'created_at'])
    op.create_index('upload_open', 'upload', ['expires_at'], postgresql_where=sa.text("state = 'open'"))
    unclean = sa.text("cleaned_at IS NULL AND state NOT IN ('open', 'joined')")
    op.create_index('upload_unclean', 'upload', ['id'], postgresql_where=unclean)
