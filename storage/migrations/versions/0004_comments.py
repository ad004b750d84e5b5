"""comments, preset reasons, autosaves"""

from alembic import op
import sqlalchemy as sa
import sqlmodel
from sqlalchemy.dialects import postgresql

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None

# What a newsroom says most often; an administrator changes them to its own rules.
REASONS = (
    ('title-length', 'return_for_revision', '标题不合规范：请控制在15至22字，最多23字。', 'The title should have 15 to 22 characters, 23 at the most.'),
    ('picture-missing', 'return_for_revision', '缺少图片：请至少配一张现场图片。', 'A picture is missing; send at least one from the scene.'),
    ('byline-missing', 'return_for_revision', '缺少署名：请注明作者和单位。', 'The byline is missing; name the author and their unit.'),
    ('facts-to-verify', 'return_for_revision', '事实待核：请核对人名、地名、时间和数字后再报。', 'Check names, places, times and figures, then send it again.'),
    ('source-missing', 'return_for_revision', '来源不明：请补充消息来源和采访对象。', 'Name the source and the people who were interviewed.'),
    ('permission-missing', 'return_for_revision', '图片或视频缺少授权：请补充拍摄者和使用许可。', 'Say who made the pictures or the video, and that they may be used.'),
    ('sensitive-data', 'return_for_revision', '含个人敏感信息（身份证号、电话、住址、未成年人或患者身份等）：请删除或处理后再报。', 'It shows sensitive personal data (identity numbers, telephones, addresses, minors, patients); remove or hide them.'),
    ('ai-undeclared', 'return_for_revision', '人工智能生成内容的声明与稿件不符：请如实声明并加标识。', 'The declaration of AI-generated content does not fit the piece; declare and label it.'),
    ('language-errors', 'return_for_revision', '文字差错较多：请通读校对后再报。', 'There are too many slips of the pen; proofread it and send it again.'),
    ('too-old', 'reject', '时效已过：所报事件已超过两天。', 'The news is more than two days old.'),
    ('advertorial', 'reject', '属软文广告：请联系广告部门。', 'It is an advertorial; turn to the advertising department.'),
    ('repeat', 'reject', '重复投稿：同一内容已经采用。', 'It repeats a piece that was taken already.'),
    ('out-of-scope', 'reject', '不在本栏目报道范围。', 'It is outside what this column reports.'),
    ('await-slot', 'hold', '版面或时段已满，待用。', 'There is no slot for it now.'),
    ('await-confirmation', 'hold', '等待有关单位确认。', 'The authority concerned has yet to confirm it.'),
    ('factual-error', 'correct', '已发布内容有事实差错，需更正。', 'What was published holds an error of fact.'),
    ('serious-error', 'retract', '已发布内容有严重事实差错。', 'What was published holds a serious error of fact.'),
    ('rights-complaint', 'retract', '涉及侵权或当事人隐私，经核实撤稿。', 'It infringes rights or privacy, as was verified.'),
)


def upgrade() -> None:
    _preset_reasons()
    _comments()
    _autosaves()


def _preset_reasons() -> None:
    table = op.create_table('preset_reason',
    sa.Column('id', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('event', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('zh', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('en', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.Column('is_active', sa.Boolean(), server_default=sa.text('true'), nullable=False),
    sa.PrimaryKeyConstraint('id')
    )
    op.bulk_insert(table, [
        {'id': key, 'event': event, 'zh': zh, 'en': en, 'position': 10 * place}
        for place, (key, event, zh, en) in enumerate(REASONS, 1)
    ])


def _comments() -> None:
    op.create_table('comment',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('number', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('submission_id', sa.Uuid(), nullable=False),
    sa.Column('revision_sha256', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('author_id', sa.Uuid(), nullable=False),
    sa.Column('body', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('salt', sqlmodel.sql.sqltypes.AutoString(), nullable=True),
    sa.Column('sha256', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('anchor', postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
    sa.Column('item_seq', sa.Integer(), nullable=True),
    sa.Column('preset_reason_id', sqlmodel.sql.sqltypes.AutoString(), nullable=True),
    sa.Column('reply_to', sa.Uuid(), nullable=True),
    sa.Column('at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('resolved_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('resolved_by', sa.Uuid(), nullable=True),
    sa.ForeignKeyConstraint(['submission_id'], ['submission.id'], ),
    sa.ForeignKeyConstraint(['submission_id', 'item_seq'], ['event.submission_id', 'event.item_seq'], ),
    sa.ForeignKeyConstraint(['author_id'], ['person.id'], ),
    sa.ForeignKeyConstraint(['resolved_by'], ['person.id'], ),
    sa.ForeignKeyConstraint(['preset_reason_id'], ['preset_reason.id'], ),
    sa.ForeignKeyConstraint(['reply_to'], ['comment.id'], ),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('comment_list', 'comment', ['submission_id', 'number'], unique=False)
    # Two changes only: it is resolved, once; its words are erased, and what is on record of them stays.
    op.execute("""
        CREATE FUNCTION refuse_comment_change() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            was jsonb := to_jsonb(OLD);
            becomes jsonb := to_jsonb(NEW);
        BEGIN
            IF OLD.resolved_at IS NULL AND NEW.resolved_at IS NOT NULL AND NEW.resolved_by IS NOT NULL
                AND was - ARRAY['resolved_at', 'resolved_by'] = becomes - ARRAY['resolved_at', 'resolved_by'] THEN
                RETURN NEW;
            END IF;
            IF NEW.body = '' AND NEW.salt IS NULL
                AND was - ARRAY['body', 'salt'] = becomes - ARRAY['body', 'salt'] THEN
                RETURN NEW;
            END IF;
            RAISE EXCEPTION 'a comment is never changed' USING ERRCODE = 'restrict_violation';
        END $$
    """)
    op.execute("""
        CREATE TRIGGER comment_unchanged BEFORE UPDATE ON comment
        FOR EACH ROW EXECUTE FUNCTION refuse_comment_change()
    """)
    op.execute("""
        CREATE TRIGGER comment_stays BEFORE DELETE ON comment
        FOR EACH ROW EXECUTE FUNCTION refuse_change()
    """)
    op.execute("""
        CREATE TRIGGER comment_no_truncate BEFORE TRUNCATE ON comment
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """)


def _autosaves() -> None:
    op.create_table('autosave',
    sa.Column('submission_id', sa.Uuid(), nullable=False),
    sa.Column('person_id', sa.Uuid(), nullable=False),
    sa.Column('base_revision_number', sa.Integer(), nullable=False),
    sa.Column('content', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    sa.Column('saved_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['submission_id'], ['submission.id'], ),
    sa.ForeignKeyConstraint(['person_id'], ['person.id'], ),
    sa.PrimaryKeyConstraint('submission_id', 'person_id')
    )
