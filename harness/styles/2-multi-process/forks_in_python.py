# Another language: Python runs its handlers between two instructions, so one that comes just before a
# blocking call would wait for its end; the descriptor of set_wakeup_fd ends that wait.
# command: ./forks_in_python.py {port}
import errno
import os
import select
import signal
import socket
import sys
import time


def echo(client: socket.socket) -> None:
    try:
        while data := client.recv(4096):
            client.sendall(data)
    except OSError:
        pass


def end_all(number: int, frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(0, signal.SIGTERM)


def reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def serve(listener: socket.socket, client: socket.socket) -> None:
    try:
        child = os.fork()
    except OSError:
        return  # this client is lost, nobody else
    if child == 0:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        listener.close()
        echo(client)
        os._exit(0)


def main() -> None:
    try:
        listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128)
    except OSError as error:
        sys.exit(f"port {sys.argv[1]}: {error.strerror}")
    listener.setblocking(False)
    try:
        os.setpgid(0, 0)
    except PermissionError:
        pass  # the leader of a session leads a group already
    woken, wake = socket.socketpair()
    for end in (woken, wake):
        end.setblocking(False)
    signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.signal(signal.SIGTERM, end_all)
    while True:
        ready, _, _ = select.select([listener, woken], [], [])
        if woken in ready:
            woken.recv(4096)
        reap()
        if listener not in ready:
            continue
        try:
            client, _ = listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                time.sleep(0.1)
            continue
        client.setblocking(True)
        with client:
            serve(listener, client)


main()
