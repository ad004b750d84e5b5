"""Weibo's error codes: which are final, which pass, and which leave open whether it was done."""

from platforms.calling import Answer, broken_off
from platforms.frame import Refused, TryLater, Unknown
from states.text import Text

# "Error_code" of open.weibo.com/wiki, in a third-party copy, read 2026-11-22 (M).
NO_SUCH_POST = 20101
_UNSURE = frozenset({10001, 10003, 10010, 10011})  # system, remote service, job, RPC: it may have been done
_BUSY = frozenset({10002, 10009})
_LIMITS = frozenset({10022, 10023, 10024, 20016})
_ACCEPTED_LATE = 20032  # "发布成功，目前服务器可能会有延迟，请耐心等待1-2分钟"
_REPEATED = frozenset({20017, 20019, 20111})
_TOKEN = frozenset({*range(21314, 21320), 21301, 21327, 21332, 10006, 10013})
_PERMISSION = frozenset({10005, 10014, 10020, 21321})
_ACCOUNT = frozenset({10004, 20003, 20015, 20022, 20031})
_CONTENT = frozenset({20018, 20020, 20021, 21602})
_FORM = frozenset({10007, 10008, 10016, 10017, 10018, 20005, 20006, 20007, 20008, 20012, 20013})
_LIMIT_WAIT_S = 600.0


def read_code(value: object) -> int:
    """The code in a field of an answer; -1 where there is none. The documents show it as number and as text."""
    text = str(value) if isinstance(value, int | str) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 8 else -1


def meaning(code: int, answer: Answer) -> Refused | TryLater | Unknown:
    """What a code means for the delivery, in our words with the number alone of theirs."""
    if code in _UNSURE or (code == -1 and answer.status < 400):
        return broken_off(is_final=answer.is_final, text=_SAID_BUSY)
    if code == _ACCEPTED_LATE:
        return Unknown(_WILL_COME)
    if code in _BUSY or code in _LIMITS:
        return TryLater(_SAID_BUSY, answer.retry_after_s or (_LIMIT_WAIT_S if code in _LIMITS else None))
    why = next((text for codes, text in _REASONS if code in codes), _REFUSED)
    return Refused(Text(zh=f"{why.zh}（微博错误码 {code}）", en=f"{why.en} (Weibo's code {code})"))


_SAID_BUSY = Text(
    zh="微博说系统繁忙或调用过于频繁，没有收下，稍后自动再试。",
    en="Weibo is busy or called too often, and did not take it. Retrying later.",
)
_WILL_COME = Text(
    zh="微博说已发布成功，但一两分钟后才显示，没有给出编号。请稍后查询。",
    en="Weibo says that it is published and shows in a minute or two, without an id. Look it up later.",
)
_REFUSED = Text(
    zh="微博拒绝了本次调用。请按错误码在微博开放平台查明原因，处理后重新投递。",
    en="Weibo refused the call. Look the code up on its open platform, then retry.",
)
_REASONS = (
    (
        _TOKEN,
        Text(
            zh="微博授权已过期或失效。请重新授权，并更新渠道密钥。",
            en="The authorisation has expired or is not valid. Authorise again and set the new token.",
        ),
    ),
    (
        _REPEATED,
        Text(
            zh="微博认为与已发布的内容重复，没有再发。请到微博核实是否已有这一条，有则在此确认。",
            en="Weibo has the same text already and did not post it again. Look there; if it is ours, confirm here.",
        ),
    ),
    (
        _PERMISSION,
        Text(
            zh="应用没有这个接口的权限。请在微博开放平台申请，或把渠道的接口类别改为 share。",
            en="The app may not use this call. Apply for it, or set the destination's api to share.",
        ),
    ),
    (
        _ACCOUNT,
        Text(
            zh="微博账号、应用或出口 IP 受限，可能需要验证码。请登录微博处理后重新投递。",
            en="The account, app or address is restricted, or a captcha is asked. Sign in there, then retry.",
        ),
    ),
    (
        _CONTENT,
        Text(
            zh="微博认为内容或链接不合规。请核对文字和链接域名后重新送审。",
            en="Weibo finds the text or the link against its rules. Check both, then submit again.",
        ),
    ),
    (
        _FORM,
        Text(
            zh="微博不接受文字或图片的长度、大小或格式。请核对后重新投递。",
            en="Weibo does not take the length, size or form of text or picture. Check them, then retry.",
        ),
    ),
)
