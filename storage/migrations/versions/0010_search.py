"""search of the archive

The entries of what is there already are made by the sweep, in the background.
"""

from alembic import op
import sqlalchemy as sa
import sqlmodel
from sqlalchemy.dialects import postgresql

revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None


def upgrade() -> None:
    texts = postgresql.ARRAY(sa.TEXT())
    op.create_table('search_entry',
    sa.Column('words', texts, server_default=sa.text("'{}'"), nullable=False),
    sa.Column('pairs', texts, server_default=sa.text("'{}'"), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('submission_id', sa.Uuid(), nullable=False),
    sa.Column('revision_number', sa.Integer(), nullable=False),
    sa.Column('cut_version', sa.Integer(), nullable=False),
    sa.Column('byline', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('plain', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.ForeignKeyConstraint(['submission_id'], ['submission.id']),
    sa.PrimaryKeyConstraint('submission_id')
    )
    for name, column in (('search_words', 'words'), ('search_pairs', 'pairs')):
        op.create_index(name, 'search_entry', [column], unique=False, postgresql_using='gin')
    op.create_index('search_newest', 'search_entry', ['at', 'submission_id'], unique=False)
