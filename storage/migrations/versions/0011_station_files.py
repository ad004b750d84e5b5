"""the station's logo and clips
"""

from alembic import op
import sqlalchemy as sa
import sqlmodel

revision = '0011'
down_revision = '0010'
branch_labels = None
depends_on = None


def upgrade() -> None:
    text = sqlmodel.sql.sqltypes.AutoString()
    op.create_table('station_file',
    sa.Column('role', text, nullable=False),
    sa.Column('sha256', text, nullable=False),
    sa.Column('size_bytes', sa.BigInteger(), nullable=False),
    sa.Column('filename', text, nullable=False),
    sa.Column('object_key', text, nullable=False),
    sa.Column('set_by', sa.Uuid(), nullable=False),
    sa.Column('set_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint("role IN ('logo', 'opening', 'closing')", name='station_file_role'),
    sa.ForeignKeyConstraint(['set_by'], ['person.id']),
    sa.PrimaryKeyConstraint('role')
    )
