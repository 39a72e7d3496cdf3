# Another language: Python's threads, and a semaphore that counts the free slots.
# command: ./serves_in_python.py {port} {slots}
import errno
import os
import signal
import socket
import sys
import threading
import time

slots = threading.BoundedSemaphore(int(sys.argv[2]))


def serve(client: socket.socket) -> None:
    with client:
        try:
            while data := client.recv(4096):
                client.sendall(data)
        except OSError:
            pass  # this client is lost, nobody else
    slots.release()


def next_client(listener: socket.socket) -> socket.socket:
    while True:
        try:
            return listener.accept()[0]
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                time.sleep(0.1)


def end_on_sigterm() -> None:
    # A handler runs in main() only when accept returns; one that comes just before it waits with it.
    signal.sigwait({signal.SIGTERM})
    os._exit(0)


def main() -> None:
    try:
        listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128)
    except OSError as error:
        sys.exit(f"port {sys.argv[1]}: {error.strerror}")
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=end_on_sigterm, daemon=True).start()
    while True:
        slots.acquire()
        client = next_client(listener)
        try:
            threading.Thread(target=serve, args=(client,), daemon=True).start()
        except RuntimeError as error:
            print(error, file=sys.stderr)
            client.close()
            slots.release()


main()
