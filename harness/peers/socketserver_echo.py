"""Python's own socketserver classes as echo servers, with all settings as they are."""

import socketserver
import sys


class Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while data := self.request.recv(4096):
            self.request.sendall(data)


model, port = sys.argv[1:]
with getattr(socketserver, model)(("127.0.0.1", int(port)), Echo) as server:
    server.serve_forever()
