"""The demo: one flood story from a correspondent's phone to its readers, through the public API alone."""

import json
import secrets
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from deployments.client import ApiRefused, Client
from deployments.people import ADMIN_NAME, admin_password_file
from deployments.receiver import Receiver
from media.sample import make_clip, make_still
from states.roles import Role
from storage.settings import Settings

WEBHOOK, VERTICAL = "partner-webhook", "vertical-video"
PEOPLE: dict[str, tuple[str, Role]] = {
    "tongxunyuan": ("王小雨", Role.CORRESPONDENT),
    "bianji": ("李敏", Role.DUTY_EDITOR),
    "zhuren": ("陈建国", Role.DESK_HEAD),
    "zongbian": ("赵岚", Role.EDITOR_IN_CHIEF),
    "yunwei": ("周工", Role.OPERATOR),
}
REVIEWERS = (
    ("bianji", "初审通过", "事实已核，画面清楚。"),
    ("zhuren", "复审通过", "导向正确，建议各平台同步。"),
    ("zongbian", "终审签发", "同意签发。"),
)
STORY: dict[str, Any] = {
    "title": "青石镇三百名群众暴雨夜安全转移",
    "digest": "二十一日夜，青石镇遭遇强降雨。镇村干部逐户敲门，三百一十二名群众在两小时内全部转移到安置点。",
    "body": (
        "十一月二十一日二十时许，青石镇普降大到暴雨，清溪河水位两小时内上涨一点八米。\n\n"
        "“先救人，东西以后再说。”镇党委第一时间启动应急预案，四十六名镇村干部和民兵分成九个小组，"
        "打着手电逐户敲门。河湾村七十三岁的老人刘桂芳腿脚不便，被两名民兵轮流背出三里路。\n\n"
        "二十二时十分，三百一十二名群众全部转移到镇中心小学安置点，热水、棉被和药品同时送到。"
        "截至记者发稿时，无人员伤亡，抢险仍在继续。"
    ),
    "byline": "通讯员 王小雨",
    "column": "本地要闻",
    "tags": ["防汛", "青石镇"],
    "ai_label": "none",
}


@dataclass
class Narrator:
    """Prints each step with the seconds since the start."""

    console: Console = field(default_factory=lambda: Console(highlight=False))
    started: float = field(default_factory=time.monotonic)

    def __call__(self, text: str) -> None:
        """One step."""
        self.console.print(f"  [dim]{time.monotonic() - self.started:6.1f} s[/]  {text}", soft_wrap=True)


def _notes_file(home: Path) -> Path:
    return home / "demo.json"


def demo_notes(home: Path) -> dict[str, Any]:
    """What the demo keeps for its home: passwords and links; made on first use, readable by the owner only."""
    file = _notes_file(home)
    if not file.exists():
        file.touch(mode=0o600)
        notes = {"password": secrets.token_urlsafe(9), "webhook_secret": secrets.token_urlsafe(24)}
        file.write_text(json.dumps(notes), encoding="utf-8")
    return dict(json.loads(file.read_text(encoding="utf-8")))


def with_receiver(settings: Settings) -> Settings:
    """The settings with the demo's receiver among the hosts that a webhook may call on this machine."""
    hosts = (*settings.allowed_private_hosts, f"127.0.0.1:{settings.demo_port}")
    return settings.model_copy(update={"allowed_private_hosts": hosts})


async def demo_once(settings: Settings) -> None:
    """Open the demo's webhook receiver; on the first start of a home also take the demo story through."""
    notes = demo_notes(settings.home)
    Receiver(settings.demo_port, notes["webhook_secret"], settings.home / "demo-received.jsonl")
    if "story" not in notes:
        await _tell_story(settings, notes)
    _print_links(settings, demo_notes(settings.home))


async def run_demo(settings: Settings) -> None:
    """Take one more demo story through a stack that runs with `sanshen up --demo`."""
    await _tell_story(settings, demo_notes(settings.home))
    _print_links(settings, demo_notes(settings.home))


async def _tell_story(settings: Settings, notes: dict[str, Any]) -> None:
    say = Narrator()
    say.console.print("\n[bold]一篇真实的稿件，从手机到读者[/]  One story, from a phone to its readers")
    await _set_up(settings, notes, say)
    clients = {name: await Client.sign_in(settings.reader_url, name, notes["password"]) for name in PEOPLE}
    try:
        story_id = await _send_in(clients["tongxunyuan"], say)
        await _review(clients, story_id, say)
        await _follow(clients["zongbian"], story_id, say)
    finally:
        for client in clients.values():
            await client.close()
    _notes_file(settings.home).write_text(json.dumps({**notes, "story": story_id}), encoding="utf-8")


async def _set_up(settings: Settings, notes: dict[str, Any], say: Narrator) -> None:
    password = admin_password_file(settings.home).read_text(encoding="utf-8").strip()
    admin = await Client.sign_in(settings.reader_url, ADMIN_NAME, password)
    try:
        for username, (display_name, role) in PEOPLE.items():
            person = {"username": username, "display_name": display_name, "roles": [role.value]}
            await _unless_there(admin, "/people", {**person, "password": notes["password"], "columns": []})
        webhook = {
            "id": WEBHOOK,
            "platform": "webhook",
            "name": "合作媒体推送",
            "settings": {"url": f"http://127.0.0.1:{settings.demo_port}/news"},
            "secret": notes["webhook_secret"],
        }
        vertical = {"id": VERTICAL, "platform": "vertical", "name": "视频号（人工上传）", "settings": {}}
        await _unless_there(admin, "/destinations", webhook)
        await _unless_there(admin, "/destinations", vertical)
    finally:
        await admin.close()
    say("管理员建立人员与渠道  people and destinations are set up")


async def _unless_there(admin: Client, path: str, body: dict[str, Any]) -> None:
    try:
        await admin.post(path, body)
    except ApiRefused as refused:
        if refused.status != 409:
            raise


async def _send_in(author: Client, say: Narrator) -> str:
    story = {**STORY, "destinations": ["app", WEBHOOK, VERTICAL]}
    item = await author.post("/submissions", story)
    say(f"通讯员新建稿件《{STORY['title']}》  a correspondent opens a draft")
    with tempfile.TemporaryDirectory(prefix="sanshen-demo-") as folder:
        files = await _footage(Path(folder))
        for path, caption in files:
            await author.upload(item["id"], path, caption)
            say(f"上传 {path.name}（{path.stat().st_size / 1e6:.1f} MB，分片直传）  uploaded in parts")
    await author.send_event(item["id"], "submit")
    say("提交 submit → received，开始入库检查  intake begins")
    await author.wait_for(item["id"], lambda seen: seen["is_intake_done"], "intake")
    say("入库检查完成：识别、校验、预览  recognised, hashed, previewed")
    return str(item["id"])


async def _footage(folder: Path) -> list[tuple[Path, str]]:
    clip, first, second = folder / "现场.mp4", folder / "转移.jpg", folder / "安置点.jpg"
    await make_clip(clip)
    await make_still(first, seed=3)
    await make_still(second, seed=11)
    return [
        (clip, "暴雨中的清溪河与转移现场"),
        (first, "镇村干部逐户敲门组织转移"),
        (second, "镇中心小学安置点"),
    ]


async def _review(clients: dict[str, Client], story_id: str, say: Narrator) -> None:
    for username, words, comment in REVIEWERS:
        reviewer, is_last = clients[username], username == "zongbian"
        if is_last:
            say("等待各平台成品，终审看到的就是要发的  waiting for the renditions that will be signed")
            await reviewer.wait_for(story_id, lambda item: "approve" in item["allowed_events"], "renditions")
        await reviewer.send_event(story_id, "claim")
        done = await reviewer.send_event(story_id, "approve", comment=comment)
        say(f"{PEOPLE[username][0]} {words} → {done['state']}  approved")


async def _follow(chief: Client, story_id: str, say: Narrator) -> None:
    """Wait for each destination, then confirm the hand-off as the person at the vertical platform would."""
    seen: set[str] = set()
    is_settled: Callable[[Any], bool] = lambda item: item["state"] == "published"  # noqa: E731 - one line
    await chief.wait_for(story_id, is_settled, "publication")
    deadline = time.monotonic() + 60
    while len(seen) < 3 and time.monotonic() < deadline:
        for delivery in (await chief.get(f"/submissions/{story_id}/deliveries"))["deliveries"]:
            if delivery["id"] in seen or delivery["state"] not in ("confirmed", "handed_off"):
                continue
            seen.add(delivery["id"])
            say(f"渠道 {delivery['destination_name']}：{delivery['state']}")
            if delivery["state"] == "handed_off":
                link = {"url": "https://example.com/vertical/1"}
                await chief.post(f"/deliveries/{delivery['id']}/confirm", link)
                say("人工上传竖屏视频后回填链接，确认  the hand-off is confirmed with its link")
    if len(seen) < 3:
        raise TimeoutError("not every destination answered within 60 s")


def _print_links(settings: Settings, notes: dict[str, Any]) -> None:
    console, base, story = Console(highlight=False), settings.reader_url, notes.get("story")
    prefect = (settings.prefect_api_url or "").removesuffix("/api")
    lines = [
        ("稿件页 story page", f"{base}/stories/{story}"),
        ("订阅 feeds", f"{base}/feeds/rss.xml  {base}/feeds/atom.xml  {base}/feeds/feed.json"),
        ("流程 Prefect runs", f"{prefect}/v2/runs?tags=item%3A{story}&range=past-7-days"),
        ("交接包 hand-off", f"{base}/api/v1/submissions/{story}/deliveries"),
        ("接口描述 API", f"{base}/openapi.json"),
        ("登录名 sign-in names", ", ".join([ADMIN_NAME, *PEOPLE])),
        ("密码 password", f"{notes['password']}（{ADMIN_NAME}：{admin_password_file(settings.home)}）"),
    ]
    for label, value in lines:
        console.print(f"  [green]{label}[/]  {value}", soft_wrap=True)
