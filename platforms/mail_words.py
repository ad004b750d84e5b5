"""What is said of mail, in the reader's words."""

from states.text import Text

CUT_OFF = Text(
    zh="与邮件服务器的连接在交信之前中断，邮件没有发出，稍后自动再试。",
    en="The connection to the mail server broke off before the message was handed over; nothing went out. Retrying.",
)
MAY_BE_OUT = Text(
    zh="邮件已交给服务器，但没有等到答复：可能已经发出，不会自动重发。请看发件箱或询问收件方，再确认或重发。",
    en="The message was handed over and no answer came: it may be out, and is not sent again by itself. Look into "
    "the sent mail or ask the recipient, then confirm or send again.",
)
NOT_TRUSTED = Text(
    zh="邮件服务器的证书不可信（过期、域名不符或签发机构未知），未登录也未发送。请管理员核对主机名和证书。",
    en="The mail server's certificate is not to be trusted (out of date, for another name, or of an unknown issuer); "
    "no login was tried and nothing was sent. Have an administrator check host name and certificate.",
)
NO_TLS = Text(
    zh="邮件服务器不提供加密（STARTTLS），未登录也未发送。请管理员改用加密端口。",
    en="The mail server offers no encryption (STARTTLS); no login was tried and nothing was sent. Have an "
    "administrator set a port that is encrypted.",
)
NO_LOGIN = Text(
    zh="邮件服务器不提供可用的登录方式。请管理员核对端口，或删去用户名。",
    en="The mail server offers no login that is known here. Have an administrator check the port, or remove the "
    "user.",
)
NOT_AS_SIGNED = Text(
    zh="库中的图片与签发时的校验值不符，邮件没有发出。请重新转码并签发。",
    en="A picture in the store is not what was signed; nothing was sent. Render it again and sign it.",
)


def not_set_up(name: str) -> Text:
    """The refusal for a setting that is missing or unusable; never repeats its value."""
    return Text(
        zh=f"该邮件渠道的设置 {name} 缺失或不可用。请管理员改正后重新投递。",
        en=f"The mail destination's setting {name} is missing or unusable. Have an administrator correct it, then "
        "retry.",
    )


def not_logged_in(words: str) -> Text:
    """The refusal of a login."""
    return Text(
        zh=f"邮件服务器不接受该用户名和密码（多数邮箱须用“授权码”）。请管理员核对后重新投递。{words}",
        en="The mail server does not accept this user and password (most mail boxes want an app password). Have an "
        f"administrator check them, then retry. {words}",
    )


def turned_away(words: str) -> Text:
    """A final refusal in the server's own words."""
    return Text(
        zh=f"邮件服务器拒收。请核对收件人、发件人和内容，再重新投递。{words}",
        en=f"The mail server refused it. Check recipients, sender and content, then retry. {words}",
    )


def not_now(words: str) -> Text:
    """A refusal that may pass."""
    return Text(
        zh=f"邮件服务器暂不接收，稍后自动再试。{words}",
        en=f"The mail server cannot take it now. Retrying. {words}",
    )


def too_large(label: Text, size_bytes: int, largest_bytes: int, source: str) -> Text:
    """The words for what is over a budget."""
    return Text(
        zh=f"{label.zh}：文字和图片共 {size_bytes} 字节，上限 {largest_bytes}（{source}）。请减少图片或删节文字。",
        en=f"{label.en}: text and pictures are {size_bytes} bytes, at most {largest_bytes} ({source}). Take out "
        "pictures or shorten the text.",
    )
