"""the content of an open upload, by which nobody removes what it is about to use"""

from alembic import op
import sqlalchemy as sa
import sqlmodel

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("upload", sa.Column("content_sha256", sqlmodel.sql.sqltypes.AutoString(), nullable=True))
    op.create_index(
        "upload_content", "upload", ["content_sha256"], postgresql_where=sa.text("state = 'open'")
    )
