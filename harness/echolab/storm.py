"""Many clients in quick succession, to make events fall together that seldom do."""

import select
import socket
from typing import TYPE_CHECKING

from echolab.verdict import Outcome

if TYPE_CHECKING:
    from echolab.server import Server


def storm(server: "Server", number: int, at_once: int) -> Outcome:
    """`number` clients come, `at_once` at a time; each sends one byte, gets it back and leaves."""
    crowd = _Crowd(server, number)
    try:
        for _ in range(at_once):
            crowd.add()
        while crowd.waiting or crowd.to_come:
            moved = server.until(crowd.move, crowd.poller, select.POLLIN)
            if not moved:
                lost = number - crowd.served
                return Outcome(False, f"{lost:,} of {number:,} are not served: {moved.observed}")
            if crowd.broken:
                server.settle()  # it may be about to end
                observed = f"client {crowd.served + 1:,} is {crowd.broken}: {server.describe()}"
                return Outcome(False, observed)
        return Outcome(True)
    finally:
        crowd.close()


class _Crowd:
    def __init__(self, server: "Server", number: int) -> None:
        self._server = server
        self.poller = select.epoll()
        self.waiting: dict[int, socket.socket] = {}
        self.to_come = number
        self.served = 0
        self.broken = ""

    def add(self) -> None:
        if not self.to_come:
            return
        self.to_come -= 1
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex((self._server.host, self._server.port))
        self._server.watch(client.getsockname())
        self.waiting[client.fileno()] = client
        self.poller.register(client, select.EPOLLOUT | select.EPOLLIN)

    def move(self) -> bool:
        """Whether anything has happened."""
        events = self.poller.poll(0)
        for number, _ in events:
            self._step(number)
        return bool(events)

    def _step(self, number: int) -> None:
        client = self.waiting[number]
        try:
            try:
                answer = client.recv(1)
            except BlockingIOError:
                client.send(b"x")
                self.poller.modify(client, select.EPOLLIN)
                return
        except OSError as error:
            self.broken = f"cut off ({error.strerror})"
            return
        if answer != b"x":
            self.broken = "let go without an answer"
            return
        self.poller.unregister(client)
        client.close()
        del self.waiting[number]
        self.served += 1
        self.add()

    def close(self) -> None:
        for client in self.waiting.values():
            client.close()
        self.poller.close()
