"""Tests do not reach the network, whatever they start."""

import socket
import subprocess
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

OUTSIDE = "192.0.2.1"  # reserved for documentation: nobody answers there


@pytest.mark.parametrize(
    "reach",
    [
        lambda: socket.create_connection((OUTSIDE, 80), timeout=1),
        lambda: socket.create_connection(("example.org", 80), timeout=1),
        lambda: socket.gethostbyname("example.org"),
        lambda: socket.getaddrinfo("example.org", 443),
        lambda: urllib.request.urlopen("http://example.org", timeout=1),
    ],
)
def test_connections_beyond_the_loopback_are_refused(reach) -> None:
    with pytest.raises(OSError, match="tests do not use the network"):
        reach()


def test_datagrams_are_refused() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
        pytest.raises(OSError, match="tests do not use the network"),
    ):
        sender.sendto(b"hello", (OUTSIDE, 53))


def test_processes_started_by_a_test_are_refused_too() -> None:
    code = f"import socket; socket.create_connection(({OUTSIDE!r}, 80), timeout=1)"
    inner = [sys.executable, "-c", code]
    outer = [sys.executable, "-c", f"import subprocess; subprocess.run({inner!r}, check=True)"]
    for command in (inner, outer):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode != 0
        assert "tests do not use the network" in done.stderr


def test_the_loopback_answers() -> None:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"here")

        def log_message(self, *arguments) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for host in ("127.0.0.1", "localhost"):
            with urllib.request.urlopen(f"http://{host}:{server.server_port}", timeout=5) as answer:
                assert answer.read() == b"here"
        server.shutdown()
