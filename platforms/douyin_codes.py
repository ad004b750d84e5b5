"""Douyin's error codes: which are final, which pass, and which leave open whether it was done."""

from platforms.calling import Answer, broken_off
from platforms.frame import Refused, TryLater, Unknown
from states.text import Text

_QUOTA_WAIT_S = 3600.0

# Codes of "状态码排查工具" and "刷新 access_token", read 2026-11-22 (H); 2114007 from third-party code (M).
_EXPIRED = frozenset({10008, 2190008, 28001003, 28001008})
_REFRESH_EXPIRED = 10010
_UNSURE = frozenset({2100004, 28001005, 28001006})  # "busy", "network error inside": it may have been done
_TOO_FAST = 28003018
_QUOTA = frozenset({2190001, 28003017, 2114007})
_NO_PERMISSION = frozenset({2100007, 28001012, 28001014, 28001018, 28001019, 28001056})
_ACCOUNT = frozenset({2100009, 28001015, 28001016, 28001045, 28001046, 28001047})
_PARAMETERS = frozenset({2100005, 28001007})


def read_code(value: object) -> int:
    """The code in a field of an answer; -1 where there is none."""
    # The documents show numbers and numbers as text alike; anything else is no code of theirs.
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 12:
        return int(value)
    return -1


def meaning(code: int, answer: Answer) -> Refused | TryLater | Unknown:
    """What a code other than 0 means for the delivery, in our words with the number alone of theirs."""
    if code in _UNSURE or code == -1:
        return broken_off(is_final=answer.is_final, text=_SAID_BUSY)
    if code in _EXPIRED:
        return TryLater(_TOKEN_EXPIRED)  # the next attempt fetches a new one
    if code == _TOO_FAST:
        return TryLater(_SLOW_DOWN, answer.retry_after_s)
    if code in _QUOTA:
        return TryLater(_QUOTA_USED, answer.retry_after_s or _QUOTA_WAIT_S)
    why = next((text for codes, text in _REASONS if code in codes), _REFUSED)
    return Refused(Text(zh=f"{why.zh}（抖音错误码 {code}）", en=f"{why.en} (Douyin's code {code})"))


_SAID_BUSY = Text(
    zh="抖音说系统繁忙，这一步可以安全重做，稍后自动再试。",
    en="Douyin says that it is busy. This step is safe to repeat. Retrying.",
)
_TOKEN_EXPIRED = Text(
    zh="抖音授权令牌已过期，稍后用新令牌再试。", en="The access token has expired. Retrying with a new one."
)
_SLOW_DOWN = Text(
    zh="抖音要求降低调用频率，稍后自动再试。", en="Douyin asks for fewer calls. Retrying later."
)
_QUOTA_USED = Text(
    zh="抖音的调用额度已用完，额度恢复后自动再试。持续出现时请向平台申请提额。",
    en="The quota of Douyin's API is used up. Retrying later. If it goes on, ask them for more.",
)
_REFUSED = Text(
    zh="抖音拒绝了本次调用。请按错误码在抖音开放平台查明原因，处理后重新投递。",
    en="Douyin refused the call. Look the code up on its open platform, then retry.",
)
_REASONS = (
    (
        frozenset({_REFRESH_EXPIRED}),
        Text(
            zh="抖音账号的授权已过期（refresh_token 有效期 30 天）。请重新授权，并更新渠道密钥。",
            en="The account's authorisation has expired (a refresh token lives 30 days). Authorise again and "
            "set the new refresh token.",
        ),
    ),
    (
        _NO_PERMISSION,
        Text(
            zh="应用或账号没有这项能力的权限。请在抖音开放平台申请 video.create.bind、video.list.bind 并重新授权。",
            en="The app or account lacks the permission. Apply for video.create.bind and video.list.bind, then "
            "authorise again.",
        ),
    ),
    (
        _ACCOUNT,
        Text(
            zh="抖音账号或应用不可用，或 open_id 与授权不符。请核对账号状态和渠道设置。",
            en="The account or app is not usable, or the open_id is another's. Check both.",
        ),
    ),
    (
        _PARAMETERS,
        Text(
            zh="抖音认为参数不合法。请核对标题、视频和封面后重新投递。",
            en="Douyin finds the parameters illegal. Check title, video and cover, then retry.",
        ),
    ),
)
