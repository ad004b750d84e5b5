"""the log over all events"""

from alembic import op
import sqlalchemy as sa
import sqlmodel

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None

APPEND_ONLY = ("log_leaf", "log_node", "checkpoint", "checkpoint_copy")


def upgrade() -> None:
    _tables()
    for table in APPEND_ONLY:
        op.execute(f"""
            CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON "{table}"
            FOR EACH ROW EXECUTE FUNCTION refuse_change()
        """)
        op.execute(f"""
            CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON "{table}"
            FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
        """)
    # By trigger, so that nobody can write an event and forget the log.
    op.execute("""
        CREATE FUNCTION await_log() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO log_pending (kind, row_id) VALUES (TG_ARGV[0], NEW.id);
            RETURN NULL;
        END $$
    """)
    for kind in ("event", "journal"):
        op.execute(f"""
            CREATE TRIGGER {kind}_awaits_log AFTER INSERT ON {kind}
            FOR EACH ROW EXECUTE FUNCTION await_log('{kind}')
        """)
        op.execute(f"INSERT INTO log_pending (kind, row_id) SELECT '{kind}', id FROM {kind} ORDER BY id")


def _tables() -> None:
    op.create_table('log_pending',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('kind', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('row_id', sa.BigInteger(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_table('log_leaf',
    sa.Column('index', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('hash', sa.LargeBinary(), nullable=False),
    sa.Column('kind', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('row_id', sa.BigInteger(), nullable=False),
    sa.CheckConstraint("kind IN ('event', 'journal')", name='log_leaf_kind'),
    sa.CheckConstraint("octet_length(hash) = 32", name='log_leaf_hash'),
    sa.PrimaryKeyConstraint('index'),
    sa.UniqueConstraint('kind', 'row_id', name='log_leaf_once')
    )
    op.create_table('log_node',
    sa.Column('level', sa.SmallInteger(), autoincrement=False, nullable=False),
    sa.Column('index', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('hash', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('level', 'index')
    )
    op.create_table('checkpoint',
    sa.Column('size', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('root', sa.LargeBinary(), nullable=False),
    sa.Column('note', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('verifier_key', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.PrimaryKeyConstraint('size')
    )
    op.create_table('checkpoint_copy',
    sa.Column('place', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('size', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.PrimaryKeyConstraint('place', 'size')
    )
    op.create_table('item_head',
    sa.Column('submission_id', sa.Uuid(), nullable=False),
    sa.Column('item_seq', sa.Integer(), nullable=False),
    sa.Column('hash', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('log_size', sa.BigInteger(), nullable=False),
    sa.Column('note', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.ForeignKeyConstraint(['submission_id'], ['submission.id'], ),
    sa.PrimaryKeyConstraint('submission_id')
    )
