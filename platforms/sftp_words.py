"""What is said of a drop folder, in the reader's words."""

from states.text import Text

CUT_OFF = Text(
    zh="与对方的 SFTP 连接中断。文件尚不完整，对方不会取用；稍后自动续传。",
    en="The SFTP connection broke off. What is there is not whole and is not picked up; it goes on from there later.",
)
NO_HANDSHAKE = Text(
    zh="无法与对方的 SSH 服务器协商：它没有所登记类型的主机密钥，或没有双方都支持的算法。请与对方核对 host_key。",
    en="No agreement with the SSH server: it has no host key of the pinned kind, or no algorithm that both sides "
    "know. Check the host key (host_key) with its operators.",
)
NOT_LOGGED_IN = Text(
    zh="对方 SFTP 服务器不接受该用户名和密码（或私钥）。请管理员核对后重新投递。",
    en="The SFTP server does not accept this user with this password or key. Have an administrator check them, "
    "then retry.",
)
NO_SFTP = Text(
    zh="已登录，但对方没有为该用户开通 SFTP。请与对方核对。",
    en="Logged in, and there is no SFTP for this user. Check with its operators.",
)
FOLDER_MISSING = Text(
    zh="对方服务器上没有该投递文件夹（folder）。请管理员核对路径；系统不会自行新建。",
    en="There is no such folder on the server. Have an administrator check `folder`; it is not made by itself.",
)
NOT_AS_SIGNED = Text(
    zh="库中的成品文件与签发时的校验值不符，未投递。请重新转码并签发。",
    en="A rendition in the store is not what was signed; nothing was handed over. Render it again and sign it.",
)
TAKEN = Text(
    zh="文件已被对方取走，无法收回。已放置撤稿说明文件（.retracted.xml）；请立即电话通知对方值班，确认不播不用后在此确认。",
    en="The files were taken already and cannot be fetched back. A notice (.retracted.xml) was left; call the desk "
    "there at once, and confirm here when it is certain that nothing is used.",
)
NOT_THERE = Text(
    zh="投递文件夹里没有该稿的完整文件，对方没有取到，可以重新投递。",
    en="The folder holds nothing whole of this story and nothing was taken, so it may be sent again.",
)


def not_set_up(name: str) -> Text:
    """The refusal for a setting that is missing or unusable; never repeats its value."""
    hint = _HINTS.get(name, Text("", ""))
    return Text(
        zh=f"该投递文件夹的设置 {name} 缺失或不可用。{hint.zh}请管理员改正后重新投递。",
        en=f"The drop folder's setting {name} is missing or unusable. {hint.en}Have an administrator correct it, "
        "then retry.",
    )


def host_key_differs(shown: str, expected: str) -> Text:
    """The refusal for a server that is not the pinned one; fingerprints are public."""
    return Text(
        zh=f"对方服务器的主机密钥与登记的不符（出示 {shown}，登记 {expected}），未登录也未发送任何内容。"
        "可能有人冒充对方，或对方更换了密钥：请用电话等其他途径核实后，由管理员更新 host_key。",
        en=f"The server's host key is not the pinned one (shown {shown}, pinned {expected}); no login was tried and "
        "nothing was sent. Somebody may pose as the server, or its key was changed: ask by another way, then have "
        "an administrator update host_key.",
    )


def turned_away(words: str) -> Text:
    """The refusal for a folder that may not be written."""
    return Text(
        zh=f"对方不允许写入投递文件夹。请与对方核对权限。{words}",
        en=f"The server does not allow writing into the folder. Check the permissions there. {words}",
    )


def not_taken(words: str) -> Text:
    """The words for what may pass: a full disk, a quota, a server in trouble."""
    return Text(
        zh=f"对方服务器没有收下文件（可能是磁盘已满或超出配额），稍后自动再试。{words}",
        en=f"The server did not take the file (a full disk or a quota, perhaps). Retrying. {words}",
    )


_HINTS = {
    "host_key": Text(
        "请填对方提供的主机公钥，例如“ssh-ed25519 AAAA…”。",
        'It is the host\'s public key as its operators give it: "ssh-ed25519 AAAA...". ',
    ),
    "secret": Text(
        "请填密码，或不带口令的私钥（PEM）。",
        "It is a password, or a private key in PEM without a passphrase. ",
    ),
    "folder": Text("路径中不得有“..”。", 'The path must not contain "..". '),
}
