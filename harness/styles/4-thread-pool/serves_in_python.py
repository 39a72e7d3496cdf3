# Another language: Python's own ThreadPoolExecutor, whose workers are there before the first client.
# command: ./serves_in_python.py {port} {threads}
import errno
import os
import signal
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor


def serve(client: socket.socket) -> None:
    with client:
        try:
            while data := client.recv(4096):
                client.sendall(data)
        except OSError:
            pass  # this client is lost, nobody else


def end_on_sigterm() -> None:
    # A handler runs in main() only when accept returns; one that comes just before it waits with it.
    signal.sigwait({signal.SIGTERM})
    os._exit(0)


def main() -> None:
    threads = int(sys.argv[2])
    try:
        listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128)
    except OSError as error:
        sys.exit(f"port {sys.argv[1]}: {error.strerror}")
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=end_on_sigterm, daemon=True).start()
    pool = ThreadPoolExecutor(threads)
    # It starts a thread only when a task finds none idle: as many tasks as threads, that meet.
    everybody = threading.Barrier(threads + 1)
    for _ in range(threads):
        pool.submit(everybody.wait)
    everybody.wait()
    while True:
        try:
            pool.submit(serve, listener.accept()[0])
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                time.sleep(0.1)


main()
