"""The system calls that no decoder needs, refused by the kernel (seccomp): sockets, new processes, other processes.

Holds without namespaces too, so also in containers where bubblewrap may not work.
"""

import ctypes
import errno
import platform
import struct
import sys

# Numbers from the kernel's tables: arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.
# Newer calls (424 and up) have one number everywhere.
_EVERYWHERE = {"pidfd_send_signal": 424, "io_uring_setup": 425, "pidfd_open": 434, "pidfd_getfd": 438}
_REFUSED: dict[str, tuple[int, dict[str, int]]] = {
    "x86_64": (
        0xC000003E,
        {"socket": 41, "socketpair": 53, "fork": 57, "vfork": 58, "kill": 62, "ptrace": 101, "mount": 165}
        | {"tkill": 200, "add_key": 248, "keyctl": 250, "unshare": 272, "perf_event_open": 298, "setns": 308}
        | {"process_vm_readv": 310, "process_vm_writev": 311, "bpf": 321, "userfaultfd": 323},
    ),
    "aarch64": (
        0xC00000B7,
        {"mount": 40, "unshare": 97, "ptrace": 117, "kill": 129, "tkill": 130, "socket": 198}
        | {"socketpair": 199, "add_key": 217, "keyctl": 219, "perf_event_open": 241, "setns": 268}
        | {"process_vm_readv": 270, "process_vm_writev": 271, "bpf": 280, "userfaultfd": 282},
    ),
}
_CLONE = {"x86_64": 56, "aarch64": 220}
_CLONE3, _CLONE_THREAD, _X32 = 435, 0x00010000, 0x40000000

_LOAD, _IS, _AT_LEAST, _HAS_BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_AT, _ARCHITECTURE_AT, _FIRST_ARGUMENT_AT = 0, 4, 16  # struct seccomp_data, little-endian
_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_REFUSE, _UNKNOWN = 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS


def _program(machine: str) -> bytes | None:
    """The filter in the kernel's form (struct sock_filter, one after the other); None for other machines."""
    if sys.platform != "linux" or machine not in _REFUSED:
        return None
    architecture, refused = _REFUSED[machine]
    lines = [
        _line(_LOAD, _ARCHITECTURE_AT),
        _line(_IS, architecture, 1, 0),
        _line(_RETURN, _KILL),  # the calls of another architecture have other numbers
        _line(_LOAD, _NUMBER_AT),
        _line(_AT_LEAST, _X32, 0, 1),
        _line(_RETURN, _REFUSE),
        _line(_IS, _CLONE3, 0, 1),  # its flags lie in memory; without it the C library takes clone
        _line(_RETURN, _UNKNOWN),
    ]
    for number in sorted({**refused, **_EVERYWHERE}.values()):
        lines += [_line(_IS, number, 0, 1), _line(_RETURN, _REFUSE)]
    lines += [
        _line(_IS, _CLONE[machine], 0, 3),
        _line(_LOAD, _FIRST_ARGUMENT_AT),
        _line(_HAS_BITS, _CLONE_THREAD, 1, 0),  # threads yes, processes no
        _line(_RETURN, _REFUSE),
        _line(_RETURN, _ALLOW),
    ]
    return b"".join(lines)


def _line(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)


FILTER = _program(platform.machine())
"""The filter for this machine, or None where there is none."""


class Program:
    """The filter where the kernel can read it (struct sock_fprog); kept alive as long as it is used."""

    def __init__(self) -> None:
        if FILTER is None:
            raise OSError(errno.ENOSYS, "no filter for this machine")
        self._lines = ctypes.create_string_buffer(FILTER, len(FILTER))
        header = struct.pack("HxxxxxxQ", len(FILTER) // 8, ctypes.addressof(self._lines))
        self._header = ctypes.create_string_buffer(header, len(header))

    @property
    def address(self) -> int:
        """Where the header lies."""
        return ctypes.addressof(self._header)
