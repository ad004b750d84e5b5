"""What every platform is: its limits, the renditions it needs, its three calls and their outcomes."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from types import MappingProxyType
from typing import ClassVar, Literal, Protocol

import httpx

from platforms.net import Target
from platforms.story import Site, Story
from states.text import Text

Certainty = Literal["H", "M", "L"]


@dataclass(frozen=True, slots=True)
class Limit:
    """One number of a platform, where it comes from and when it was read; `value` None: unknown, unset.

    Certainty: H the platform's own document, M third-party code, L weak; None where nothing is known.
    """

    name: str
    value: int | None
    unit: str
    source: str
    certainty: Certainty | None
    read_on: date

    @property
    def cited(self) -> str:
        """Source, certainty and day in one line, for messages."""
        return f"{self.source}; {self.certainty or '?'}; {self.read_on.isoformat()}"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a platform would turn this story away; `limit` None where the rule is not a number."""

    code: str
    text: Text
    limit: int | None
    source: str


@dataclass(frozen=True, slots=True)
class DestinationConfig:
    """A configured account on a platform. Settings and secret stay out of reprs, so out of logs."""

    id: str
    name: str
    settings: Mapping[str, str] = field(repr=False)
    secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The platform has it."""

    external_id: str | None
    url: str | None


@dataclass(frozen=True, slots=True)
class Accepted:
    """Taken in under this id, and not out yet: `status` is asked for the end, no sooner than after so long."""

    external_id: str
    ask_after_s: float


@dataclass(frozen=True, slots=True)
class HandedOff:
    """A package waits for a person, who confirms with the link; `files` maps names to private keys."""

    url: str | None
    files: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Refused:
    """Turned away for good: the same call again would be turned away again."""

    text: Text


@dataclass(frozen=True, slots=True)
class TryLater:
    """Not accepted, or safe to repeat: call again, no sooner than `retry_after_s` where it is given."""

    text: Text
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """May have been accepted, and a repeat could double it: look it up, or ask a person."""

    text: Text


Outcome = Confirmed | Accepted | HandedOff | Refused | TryLater | Unknown


@dataclass(frozen=True, slots=True)
class Sent:
    """An earlier call: whose delivery it was, what the platform called the result, where it said so, and when the
    call began: a post from before then is not ours, and one that is missing long after never came to be.
    """

    delivery_id: str
    external_id: str | None
    began_at: datetime | None = None


class SettingsRefused(Exception):
    """A destination cannot be set up like this; `field` is `secret`, `settings`, or `settings.` and a name."""

    def __init__(self, field: str, text: Text) -> None:
        super().__init__(text.en)
        self.field = field
        self.text = text


class Addresses(Protocol):
    """What may be called: addresses are checked when a destination is set up, and before each call."""

    async def check_url(self, url: str) -> None:
        """Nothing, or `platforms.net.AddressError` where the address must not be called."""

    async def resolve(self, host: str, port: int) -> Target:
        """The addresses that may be connected to; `platforms.net.AddressError` where there is none."""


class Tools(Addresses, Protocol):
    """All the I/O that a platform may do, given by the caller. Every write overwrites: it may run twice."""

    @property
    def site(self) -> Site:
        """The newsroom's public addresses."""

    @property
    def http(self) -> httpx.AsyncClient:
        """A client that connects only to checked addresses (`platforms.net.guarded_client`)."""

    async def publish_object(self, object_key: str, public_name: str, media_type: str) -> None:
        """Copy a private rendition into the public bucket, on the store's side."""

    async def publish_page(self, object_key: str, public_name: str, media_type: str) -> None:
        """Copy a private file of an H5 page to the origin of pages, on the store's side."""

    async def put_public(self, public_name: str, data: bytes, media_type: str) -> None:
        """Write a small public object."""

    async def remove_public(self, prefix: str) -> None:
        """Remove every public object and every page below the prefix; none there is no error."""

    async def read_object(self, key: str) -> bytes:
        """The bytes of a small private object."""

    async def read_part(self, key: str, first: int, size_bytes: int) -> bytes:
        """So many bytes of a private object, from byte `first` on; fewer at its end."""

    async def has_private(self, key: str) -> bool:
        """Whether there is such a private object."""

    async def put_private(self, key: str, data: bytes, media_type: str) -> None:
        """Write a small private object."""

    async def copy_private(self, object_key: str, key: str) -> None:
        """Copy a private object to another private key, on the store's side."""


class Platform(ABC):
    """One kind of destination. Stateless: one instance serves every destination of its kind."""

    name: ClassVar[str]
    label: ClassVar[Text]
    renditions: ClassVar[Mapping[str, tuple[str, ...]]]  # media kind -> profiles that it needs
    where_possible: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType(
        {}
    )  # taken where it can be made
    is_idempotent: ClassVar[bool]  # may the same publish or retract be sent twice without harm
    can_look_up: ClassVar[bool] = False  # can `status` find out what became of a call that broke off
    limits: ClassVar[tuple[Limit, ...]] = ()

    async def check_settings(self, destination: DestinationConfig, addresses: Addresses) -> None:
        """Nothing, or SettingsRefused for an account that could not work: asked before it is stored."""
        del destination, addresses

    @abstractmethod
    def check(self, story: Story) -> tuple[Problem, ...]:
        """Everything for which the platform would turn the story away, found before sign-off."""

    @abstractmethod
    async def publish(
        self, story: Story, destination: DestinationConfig, delivery_id: str, tools: Tools
    ) -> Outcome:
        """Hand the story over. What the store or the network raises passes through, unless it is an outcome."""

    @abstractmethod
    async def retract(
        self, story: Story, destination: DestinationConfig, delivery_id: str, tools: Tools
    ) -> Outcome:
        """Take back the story that the delivery handed over."""

    async def status(
        self,
        story: Story,  # noqa: ARG002 - for those that can
        destination: DestinationConfig,  # noqa: ARG002
        sent: Sent,  # noqa: ARG002
        tools: Tools,  # noqa: ARG002
    ) -> Outcome:
        """What became of an earlier publish. Accepted: not out yet. TryLater: the platform certainly has nothing
        of it, so it may be sent again. Unknown where the platform cannot be asked, as by default.
        """
        return Unknown(_CANNOT_BE_ASKED)

    async def correct(
        self, story: Story, destination: DestinationConfig, delivery_id: str, before: Sent, tools: Tools
    ) -> Outcome:
        """Put a newer revision in the place of what `before` handed over. By default it is published under its own
        delivery, which is right where the platform knows the story by its id.
        """
        del before
        return await self.publish(story, destination, delivery_id, tools)


def missing_renditions(platform: Platform, story: Story) -> tuple[tuple[str, str], ...]:
    """The (asset hash, profile) pairs that the platform needs and that are not made yet."""
    return tuple(
        (media.asset_sha256, profile)
        for media in story.media
        for profile in platform.renditions.get(media.kind, ())
        if profile not in media.renditions or not media.renditions[profile].files
    )


_CANNOT_BE_ASKED = Text(
    zh="该平台无法查询发送结果。请到平台核实，然后在此确认或重发。",
    en="This platform cannot be asked what became of it. Look there, then confirm here or send again.",
)


def refuse_missing(missing: tuple[tuple[str, str], ...]) -> Refused:
    """The refusal for a hand-over that came before its renditions."""
    names = ", ".join(sorted({profile for _, profile in missing}))
    return Refused(
        Text(
            zh=f"还缺成品文件：{names}。请等转码完成，或重新转码后再发布。",
            en=f"Renditions are missing: {names}. Wait for them, or render again, then publish.",
        )
    )
