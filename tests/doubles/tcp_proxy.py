"""A proxy between a client and a PostgreSQL server: it cuts connections at the worst moments, or goes silent."""

import contextlib
import selectors
import socket
import threading


class Proxy:
    """Forwards TCP connections to the Unix socket of a server.

    Args:
        path: Of the server's socket.
        cut_commits: After every so many COMMITs that have happened, close the connection without the answer; 0: never.
    """

    def __init__(self, path, *, cut_commits=0):
        self.path, self.cut_commits = path, cut_commits
        self.commits = self.cut = 0
        self.is_silent = False  #: Takes everything, and forwards nothing.
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._sockets = [self._listener]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        """End all connections."""
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                server = socket.socket(socket.AF_UNIX)
                server.connect(self.path)
                self._sockets += [client, server]
                threading.Thread(target=self._forward, args=(client, server), daemon=True).start()

    def _forward(self, client, server):
        with contextlib.suppress(OSError, ValueError), selectors.DefaultSelector() as ready, client, server:
            ready.register(client, selectors.EVENT_READ, server)
            ready.register(server, selectors.EVENT_READ, client)
            while True:
                for key, _ in ready.select():
                    data = key.fileobj.recv(65536)
                    if not data:
                        return
                    if self.is_silent:
                        continue
                    key.data.sendall(data)
                    if key.fileobj is client and b"COMMIT" in data and self._cuts():
                        server.recv(65536)  # it has happened
                        self.cut += 1
                        return

    def _cuts(self):
        self.commits += 1
        return self.cut_commits > 0 and self.commits % self.cut_commits == 0
