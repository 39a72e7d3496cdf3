# Another language: Python retries what a signal interrupts by itself (PEP 475), ignores SIGPIPE, and
# has raised an exception wherever C has errno.
# command: ./serves_in_python.py {port}
import errno
import socket
import sys
import time


def echo(client: socket.socket) -> None:
    try:
        while data := client.recv(4096):
            client.sendall(data)
    except OSError:
        pass  # this client is lost, nobody else


def main() -> None:
    try:
        listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    except OSError as error:
        sys.exit(f"port {sys.argv[1]}: {error.strerror}")
    while True:
        try:
            client, _ = listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                time.sleep(0.1)
            continue
        with client:
            echo(client)


main()
