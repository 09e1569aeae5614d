#!/usr/bin/env python3
"""One fast client beside a crowd: its speed alone and beside many slow ones, and the memory of idle ones.

For each architecture (single serves one client at a time and is left out): the median time of the fast client
alone and beside the slow connections, which read a few KiB a second each, and the resident memory
that a server needs for each further connection that does nothing.

Listens on loopback only, on free ports; stops what it starts, by process id.
"""

import argparse
import contextlib
import json
import os
import socket
import ssl
import statistics
import struct
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from measure import PROJECT, Place, make_file, raise_descriptor_limit
from servers import address_of, serve_tui

PREAMBLE = b"\x00FDSP\x01\x01\x00"
HELLO, STAT, GET, META = 0x01, 0x02, 0x04, 0x82


def frame(kind, request, message):
    payload = json.dumps(message).encode()
    return struct.pack("<BBHII", kind, 0, 0, len(payload), request) + payload


def connect(server, *frames):
    """A connection with small buffers of its own that has asked for something."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.settimeout(20)
    s.connect(("127.0.0.1", server.port))
    if server.tls:
        s = server.tls.wrap_socket(s)
    s.sendall(PREAMBLE + frame(HELLO, 0, {"agent": "crowd"}) + b"".join(frames))
    return s


def resident(pid):
    """KiB of resident memory that is the process's own."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1])
    return 0


class Crowd(threading.Thread):
    """Connections that fetch a large file and read little of it."""

    def __init__(self, server, count, name):
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.sockets = [connect(server, frame(GET, 1, {"path": name})) for _ in range(count)]
        self.read = 0
        self.lost = 0

    def run(self):
        for s in self.sockets:
            s.setblocking(False)
        while not self.over.wait(1):
            for s in list(self.sockets):
                try:
                    data = s.recv(4096)
                except (BlockingIOError, ssl.SSLWantReadError):
                    continue
                except OSError:
                    data = b""
                if data:
                    self.read += len(data)
                else:
                    self.lost += 1
                    self.sockets.remove(s)
                    s.close()

    def stop(self):
        self.over.set()
        self.join()
        for s in self.sockets:
            s.close()


def unverified():
    """TLS without a look at the certificate: it was made for this run."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def serve(place, binary, arch, connections, tls):
    server = serve_tui(place, binary, "--arch", arch, "--max-connections", str(connections),
                       "--max-per-address", str(connections), *([] if tls else ["--plain"]))
    server.tls = unverified() if tls else None
    return server


def fetch(place, binary, server):
    began = time.monotonic()
    # A timeout of Python's own would look every 50 ms.
    subprocess.run(["timeout", "120", binary, "-q", "--no-sync", "--overwrite", "-l", str(place.got / "out"),
                    address_of(server, "fast.bin")],
                   check=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - began


def idle(server, count):
    """KiB for each connection that has asked one thing and is silent since."""
    before = resident(server.pid)
    sockets = []
    for _ in range(count):
        s = connect(server, frame(STAT, 1, {"path": "fast.bin"}))
        sockets.append(s)
        answer = b""
        while bytes([META]) not in answer:
            more = s.recv(4096)
            if not more:
                raise RuntimeError("an idle connection was closed")
            answer += more
    grown = resident(server.pid) - before
    for s in sockets:
        s.close()
    return grown / count


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--size", type=int, default=1024, help="MiB that the fast client fetches (default: 1024)")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--tls", action="store_true", help="all of them encrypted")
    parser.add_argument("--tui", default=str(PROJECT / "target/release/tui"), help="the binary")
    parser.add_argument("--dir", help="where to work (default: the temporary folder)")
    options = parser.parse_args()
    if not Path(options.tui).exists():
        subprocess.run(["cargo", "build", "--release", "--locked"], cwd=PROJECT, check=True)
    raise_descriptor_limit(2 * options.connections + 256)
    with tempfile.TemporaryDirectory(prefix="fdsp-crowd-", dir=options.dir) as root:
        place = Place(root)
        os.environ["XDG_CONFIG_HOME"] = os.environ["XDG_STATE_HOME"] = str(place.settings)
        make_file(place.served / "fast.bin", options.size << 20)
        with open(place.served / "slow.bin", "wb") as file:
            file.truncate(1 << 30)
        print(f"{'':10}{'alone':>10}{'beside ' + str(options.connections):>14}{'keeps':>8}"
              f"{'slow ones read':>16}{'lost':>6}{'KiB each idle':>15}")
        for arch in ("threads", "select", "async"):
            server = serve(place, options.tui, arch, options.connections + 16, options.tls)
            try:
                fetch(place, options.tui, server)
                each = idle(server, options.connections)
                alone = statistics.median(fetch(place, options.tui, server) for _ in range(options.runs))
                crowd = Crowd(server, options.connections, "slow.bin")
                crowd.start()
                time.sleep(2)
                beside = statistics.median(fetch(place, options.tui, server) for _ in range(options.runs))
                crowd.stop()
                print(f"{arch:10}{alone:>8.2f} s{beside:>12.2f} s{alone / beside:>8.0%}"
                      f"{crowd.read >> 10:>12} KiB{crowd.lost:>6}{each:>15.1f}", flush=True)
            finally:
                server.stop()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
