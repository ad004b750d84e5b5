"""what intake finds: essence, fingerprints, metadata"""

from alembic import op
import sqlalchemy as sa
import sqlmodel
from sqlalchemy.dialects import postgresql

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ('essence_sha256', 'examined_by'):
        op.add_column('asset', sa.Column(name, sqlmodel.sql.sqltypes.AutoString(), nullable=True))
    op.add_column('asset', sa.Column('capture', postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True))
    op.add_column('asset', sa.Column('contents', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False))
    op.create_index(op.f('ix_asset_essence_sha256'), 'asset', ['essence_sha256'], unique=False)
    op.create_table('fingerprint',
    sa.Column('asset_id', sa.Uuid(), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('at_s', sa.Float(), nullable=True),
    sa.Column('bits', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['asset_id'], ['asset.id'], ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('asset_id', 'number')
    )
    op.create_table('asset_match',
    sa.Column('asset_id', sa.Uuid(), nullable=False),
    sa.Column('other_id', sa.Uuid(), nullable=False),
    sa.Column('kind', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('distance', sa.Integer(), nullable=False),
    sa.Column('at_s', sa.Float(), nullable=True),
    sa.Column('found_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint("kind IN ('same', 'essence', 'likely')", name='asset_match_kind'),
    sa.ForeignKeyConstraint(['asset_id'], ['asset.id'], ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['other_id'], ['asset.id'], ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('asset_id', 'other_id')
    )
    op.create_index(op.f('ix_asset_match_other_id'), 'asset_match', ['other_id'], unique=False)
