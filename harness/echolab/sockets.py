"""What the kernel says about TCP sockets: who listens, what is queued, what was never accepted.

One socket is asked for by its addresses (man 7 sock_diag), which costs microseconds; the whole table
(man 5 proc, /proc/net/tcp) costs milliseconds, and is read where a failure is being explained, or
where the kernel has no inet_diag.
"""

import errno
import os
import socket
import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from echolab import procfs

LISTEN = "LISTEN"
_STATES = [
    "?", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT",
    "CLOSE", "CLOSE_WAIT", "LAST_ACK", LISTEN, "CLOSING", "NEW_SYN_RECV",
]  # fmt: skip
_STILL_OPEN = ("ESTABLISHED", "CLOSE_WAIT", "SYN_RECV", "NEW_SYN_RECV")

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLMSG_ERROR = 2
_NLM_F_REQUEST = 1
_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr
_REQUEST = struct.Struct("=BBBxI HH 16s 16s III".replace(" ", ""))  # struct inet_diag_req_v2
_REPLY = struct.Struct("=BBBB 4s 16s 16s III IIIII".replace(" ", ""))  # struct inet_diag_msg


@dataclass(frozen=True)
class Socket:
    """One TCP socket. `unsent` and `unread` are bytes; a listener's `unread` counts waiting clients, and
    its `unsent` is how many may wait (0 where the kernel has no inet_diag)."""

    address: str
    port: int
    state: str
    unsent: int
    unread: int
    inode: int

    @property
    def accepted(self) -> bool:
        """Whether a process has taken it from the listener's queue: until then it has no inode.

        It has none again once it is closed, which shows in its state.
        """
        return self.inode != 0 or self.state not in _STILL_OPEN


def listener(host: str, port: int) -> Socket | None:
    """The socket that a new connection to `host`:`port` would reach, or None if nobody listens."""
    found = _lookup(host, port, "0.0.0.0", 0)
    return found if found and found.state == LISTEN else None


def connection(local: tuple[str, int], peer: tuple[str, int]) -> Socket | None:
    """The end of a connection that has the address `local`, or None if it is gone."""
    found = _lookup(*local, *peer)
    return found if found and found.state != LISTEN else None


@dataclass(frozen=True)
class Connection:
    """Both ends of a connection, as they are now; None is one that is gone."""

    server: Socket | None
    client: Socket | None

    @property
    def is_over(self) -> bool:
        """Whether the client's end is closed, and nothing comes to the server, or from it, any more."""
        client = self.client
        closed = not client or client.state == "TIME_WAIT" or not (client.inode or client.unsent)
        return closed and not (self.server and self.server.unsent)

    @property
    def is_opening(self) -> bool:
        return any(end and "SYN" in end.state for end in (self.server, self.client))

    def may_arrive(self, queue: Socket | None) -> bool:
        """Whether TCP brings bytes, an end of file or the connection itself by itself, in either direction:
        now, or when it sends that again.

        Not what waits until somebody reads, or makes room in the listener's full `queue`: whoever leaves
        that is not asleep in read, or accept, and more of it would wake nobody.
        """
        if self.is_opening:
            return not (queue and queue.unread > queue.unsent)
        both = (self.server, self.client), (self.client, self.server)
        return any(sender and sender.unsent and not (receiver and receiver.unread) for sender, receiver in both)


def ends(server: tuple[str, int], client: tuple[str, int]) -> Connection:
    return Connection(connection(server, client), connection(client, server))


def listeners(pid: int | str = "self") -> list[Socket]:
    """Every listener in the network namespace of `pid`."""
    return [row for row, _ in _table(pid) if row.state == LISTEN]


def owners(inode: int, pids: list[int]) -> list[int]:
    """Those of `pids` that hold the socket `inode` open. Raises procfs.Hidden where none does that can be seen."""
    found, hidden = [], None
    for pid in pids:
        try:
            if f"socket:[{inode}]" in procfs.descriptors(pid).values():
                found.append(pid)
        except procfs.Hidden as error:
            hidden = error
    if hidden and not found:
        raise hidden
    return found


def _lookup(host: str, port: int, peer: str, peer_port: int) -> Socket | None:
    try:
        return _ask_kernel(host, port, peer, peer_port)
    except OSError as error:
        if error.errno not in (errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT, errno.EOPNOTSUPP):
            raise
    for row, other_port in _table("self"):
        if row.port == port and other_port == peer_port and row.address in (host, "0.0.0.0", "::"):
            return row
    return None


def _ask_kernel(host: str, port: int, peer: str, peer_port: int) -> Socket | None:
    request = _REQUEST.pack(
        socket.AF_INET, socket.IPPROTO_TCP, 0, 0xFFFFFFFF,
        socket.htons(port), socket.htons(peer_port),
        socket.inet_aton(host), socket.inet_aton(peer), 0, 0xFFFFFFFF, 0xFFFFFFFF,
    )  # fmt: skip
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _NETLINK_SOCK_DIAG) as kernel:
        kernel.send(
            _HEADER.pack(_HEADER.size + len(request), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 1, 0)
            + request
        )
        answer = kernel.recv(4096)
    if _HEADER.unpack_from(answer)[1] == _NLMSG_ERROR:
        (code,) = struct.unpack_from("=i", answer, _HEADER.size)
        if -code == errno.ENOENT:
            return None
        raise OSError(-code, os.strerror(-code))
    family, state, _, _, ports, source, *rest = _REPLY.unpack_from(answer, _HEADER.size)
    unread, unsent, _, inode = rest[-4:]
    words = source if family == socket.AF_INET6 else source[:4]
    return Socket(
        _address(words), struct.unpack("!H", ports[:2])[0], _STATES[state], unsent, unread, inode
    )


def _table(pid: int | str) -> list[tuple[Socket, int]]:
    """Each socket with its peer's port."""
    found = []
    for name in ("tcp", "tcp6"):
        try:
            with open(f"/proc/{pid}/net/{name}", encoding="ascii") as file:
                rows = file.read().splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, rows):
            address, port = fields[1].split(":")
            unsent, unread = fields[4].split(":")
            # The kernel prints the address as 32-bit words in its own byte order.
            words = [int(address[i : i + 8], 16) for i in range(0, len(address), 8)]
            row = Socket(
                _address(struct.pack(f"={len(words)}I", *words)), int(port, 16),
                _STATES[int(fields[3], 16)], int(unsent, 16), int(unread, 16), int(fields[9]),
            )  # fmt: skip
            found.append((row, int(fields[2].split(":")[1], 16)))
    return found


def _address(raw: bytes) -> str:
    if len(raw) == 4:
        return str(IPv4Address(raw))
    address = IPv6Address(raw)
    return str(address.ipv4_mapped or address)
