"""renditions in the making: who makes which, and how far"""

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""
