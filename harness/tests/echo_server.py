"""An echo server in Python with bad manners to choose from, for the tests of the grader."""

import argparse
import os
import signal
import socket
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
    parser.add_argument("--fork", action="store_true", help="a process for each client")
    parser.add_argument("--stubborn-children", action="store_true", help="they ignore SIGTERM")
    parser.add_argument("--bomb", action="store_true", help="fork without end at the first client")
    parser.add_argument("--killed-after", type=int, default=0, help="SIGKILL after so many clients")
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
    serve(options)


def serve(options: argparse.Namespace) -> None:
    with socket.create_server(("127.0.0.1", options.port)) as listener:
        if options.fork:
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody has to be reaped
        for number in range(options.clients):
            try:
                client, _ = listener.accept()
                if options.bomb:
                    explode()
                with client:
                    if not options.fork:
                        echo(client)
                    elif os.fork() == 0:
                        if options.stubborn_children:
                            signal.signal(signal.SIGTERM, signal.SIG_IGN)
                        listener.close()
                        echo(client)
                        os._exit(0)
            except OSError as error:
                if error.errno == 24:  # EMFILE
                    threading.Event().wait(0.1)
            if number + 1 == options.killed_after:
                os.kill(os.getpid(), signal.SIGKILL)


def echo(client: socket.socket) -> None:
    while data := client.recv(65536):
        client.sendall(data)


def explode() -> None:
    """Ends by itself after 20 seconds, in case the grader does not."""
    signal.alarm(20)
    while True:
        try:
            if os.fork() == 0:
                signal.alarm(20)
        except BlockingIOError:
            pass


def flood() -> None:
    while True:
        os.write(1, b"x" * 65536)  # sys.stdout is locked when the interpreter ends


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
