"""An echo server in Python with bad manners to choose from, for the tests of the grader."""

import argparse
import os
import signal
import socket
import sys
import threading


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("rest", nargs="*", help="ignored: marks the process")
    parser.add_argument("--clients", type=int, default=1 << 30, help="end after so many")
    parser.add_argument("--flood", action="store_true", help="print without end")
    parser.add_argument("--stubborn", action="store_true", help="ignore SIGTERM")
    parser.add_argument("--daemons", type=int, default=0, help="leave daemons that do nothing")
    parser.add_argument("--tell", help="open this FIFO once, to say that the server has started")
    parser.add_argument("--mute", action="store_true", help="never listen")
    options = parser.parse_args()

    if options.stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if options.flood:
        threading.Thread(target=flood, daemon=True).start()
    for _ in range(options.daemons):
        daemon()
    if options.tell:
        with open(options.tell, "w", encoding="ascii"):
            pass
    if options.mute:
        while True:
            signal.pause()
    serve(options.port, options.clients)


def serve(port: int, clients: int) -> None:
    with socket.create_server(("127.0.0.1", port)) as listener:
        while clients:
            clients -= 1
            try:
                client, _ = listener.accept()
                with client:
                    while data := client.recv(65536):
                        client.sendall(data)
            except OSError as error:
                if error.errno == 24:  # EMFILE
                    threading.Event().wait(0.1)


def flood() -> None:
    while True:
        sys.stdout.write("x" * 65536)


def daemon() -> None:
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            while True:
                signal.pause()
        os._exit(0)
    os.wait()


main()
