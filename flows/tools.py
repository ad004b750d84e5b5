"""The I/O that a platform is given: our object store and a guarded web client, nothing else."""

from dataclasses import dataclass

import httpx

from flows.context import Work
from platforms.frame import DestinationConfig
from platforms.net import Target, resolve_host, resolve_public
from platforms.story import Site
from storage.credentials import open_credential
from storage.keys import PACKAGES, PUBLIC, RENDITIONS
from storage.public_files import public_labels
from storage.tables import Destination


@dataclass(frozen=True, slots=True)
class FlowTools:
    """`platforms.frame.Tools` over the object store."""

    work: Work
    http: httpx.AsyncClient

    @property
    def site(self) -> Site:
        """The newsroom's public addresses."""
        return self.work.site

    def config(self, destination: Destination) -> DestinationConfig:
        """The destination as its platform wants it. Raises CredentialsUnreadable."""
        sealed = destination.secret
        secret = None if sealed is None else open_credential(self.work.settings, sealed)
        return DestinationConfig(destination.id, destination.name, destination.settings, secret)

    async def check_url(self, url: str) -> None:
        """Raises `platforms.net.AddressError` where the address must not be called."""
        await resolve_public(url, self.work.settings.allowed_private_hosts)

    async def resolve(self, host: str, port: int) -> Target:
        """The checked addresses of a host. Raises `platforms.net.AddressError`."""
        return await resolve_host(host, port, self.work.settings.allowed_private_hosts)

    async def publish_object(self, object_key: str, public_name: str, media_type: str) -> None:
        """Copy a private rendition into the public bucket, inside the store; what would run, as a download."""
        type_, headers = public_labels(media_type)
        await self.work.objects.copy((RENDITIONS, object_key), (PUBLIC, public_name), type_, headers)

    async def publish_page(self, object_key: str, public_name: str, media_type: str) -> None:
        """Copy a file of an H5 page to where the origin of pages finds it, inside the store."""
        await self.work.objects.copy((RENDITIONS, object_key), (PACKAGES, public_name), media_type)

    async def put_public(self, public_name: str, data: bytes, media_type: str) -> None:
        """Write a small public object."""
        await self.work.objects.put_bytes(PUBLIC, public_name, data, media_type)

    async def remove_public(self, prefix: str) -> None:
        """Remove every public object below the prefix, and every file of a page."""
        for bucket in (PUBLIC, PACKAGES):
            await self.work.objects.remove_prefix(bucket, prefix)

    async def read_object(self, key: str) -> bytes:
        """The bytes of a small private object."""
        return await self.work.objects.read(RENDITIONS, key)

    async def read_part(self, key: str, first: int, size_bytes: int) -> bytes:
        """Some bytes of a private object."""
        return await self.work.objects.read(RENDITIONS, key, first, size_bytes)

    async def has_private(self, key: str) -> bool:
        """Whether there is such a private object."""
        return await self.work.objects.exists(RENDITIONS, key)

    async def put_private(self, key: str, data: bytes, media_type: str) -> None:
        """Write a small private object."""
        await self.work.objects.put_bytes(RENDITIONS, key, data, media_type)

    async def copy_private(self, object_key: str, key: str) -> None:
        """Copy a private object inside the store."""
        await self.work.objects.copy((RENDITIONS, object_key), (RENDITIONS, key), "application/octet-stream")
