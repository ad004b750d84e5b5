"""What people are told about a WeChat article: how it ended, what is not known, and what only they can do."""

from collections.abc import Mapping

from platforms.frame import DestinationConfig, Refused
from platforms.story import Story, legal_text
from states.text import Text

# freepublish/get, publish_status: 0 is published, 1 is publishing.
ENDED: Mapping[int, Text] = {
    2: Text(
        zh="公众号没有发布：原创声明审核未通过。请到公众平台核对后重新投递。",
        en="Not published: the declaration of originality was turned down. Check on the platform's site, then retry.",
    ),
    3: Text(
        zh="公众号没有发布：平台报常规失败。请到公众平台查看原因后重新投递。",
        en="Not published: the platform reports a failure. See why on its site, then retry.",
    ),
    4: Text(
        zh="公众号没有发布：平台审核不通过。请到公众平台查看原因，改稿须重新三审。",
        en="Not published: the platform's review turned it down. See why on its site; a change is reviewed again.",
    ),
    5: Text(
        zh="文章发布后已在公众号被删除，读者看不到了。请核实是谁删除的；要恢复须重新发布。",
        en="The article was deleted on the account after it came out; readers do not see it. Find out by whom; "
        "only a new publication brings it back.",
    ),
    6: Text(
        zh="文章发布后已被平台封禁，读者看不到了。请到公众平台查看原因并申诉。",
        en="The platform blocked the article after it came out; readers do not see it. See why on its site, appeal.",
    ),
}
GONE = 5

STILL_A_DRAFT = Text(
    zh="提交发布时没有得到答复；稿件还在公众号草稿箱，也不在已发布列表，可能没有提交成功，也可能正在发布。"
    "请过一会儿到公众平台核实：确实没有发布的，再重新投递或在草稿箱人工发布。",
    en="The publication was submitted without an answer. The draft is still in the draft box and not among the "
    "published articles: it may not have been taken, or may be on its way. Look on the platform's site in a while; "
    "if it is certainly not published, send again or publish the draft by hand.",
)
NOT_THERE = Text(
    zh="提交发布时没有得到答复；草稿箱和已发布列表里都没有找到这篇稿件，可能正在发布，也可能被人删除。"
    "请到公众平台核实后，在此确认或重新投递。",
    en="The publication was submitted without an answer, and the article is neither in the draft box nor among the "
    "published: it may be on its way, or was deleted by hand. Look on the platform's site, then confirm here or send "
    "again.",
)
NOT_READ = Text(
    zh="平台对这次发布的答复无法读懂。请到公众平台核实，然后在此确认或重新投递。",
    en="The platform's answer about this publication cannot be read. Look on its site, then confirm here or send "
    "again.",
)
MAY_STILL_COME = Text(
    zh="公众号已发布列表里没有找到这篇文章，可能没有发布，也可能还在发布。请到公众平台核实：有就删除，没有就在此确认撤稿。",
    en="The article is not among the published ones: it may not be out, or is still on its way. Look on the "
    "platform's site: delete it if it is there, confirm the retraction here if not.",
)
STILL_PUBLISHING = Text(
    zh="文章还在发布中，平台不能取消；发布完成后自动再删除。",
    en="The article is being published, which cannot be stopped; it is deleted as soon as it is out. Retrying.",
)
LINK_TOO_LONG = Text(
    zh="“阅读原文”链接超过平台上限。请管理员缩短本站地址。",
    en="The link to the story's page is longer than the platform takes. Have an administrator shorten the address.",
)


def kept_draft(refused: Refused) -> Refused:
    """The refusal of a publication, with word of the draft that a person may go on with."""
    return Refused(
        Text(
            zh=f"{refused.text.zh}草稿保留在公众号草稿箱。",
            en=f"{refused.text.en} The draft is in the draft box.",
        )
    )


def correct_list(story: Story, destination: DestinationConfig, article: str) -> str:
    """What a person does to correct a published article, for which the platform has no call."""
    lines = [
        f"更正清单：{destination.name}",
        f"稿件：{story.title}（第 {story.version} 版）",
        f"平台文章编号：{article or '（未知）'}",
        f"更正说明：{story.note or '（未填写）'}",
        "",
        "公众号已发布的文章不能用接口修改。",
        "[ ] 登录公众平台，在“发表记录”中找到该文章，按平台允许的范围修改；能改几次、几个字以平台提示为准",
        "[ ] 改动超出允许范围的：由值班负责人决定另发更正，还是在本系统撤稿后重发（删除不可恢复，原链接失效）",
        "[ ] 打开文章确认已改好，在本系统填写链接并点“确认”",
        "",
        "更正后的正文：",
        *story.paragraphs,
    ]
    return legal_text("\n".join(lines)) + "\n"
