#!/usr/bin/env python3
"""One protocol in four network architectures: what each of them costs.

For `single`, `threads`, `select` and `async`, over loopback:

throughput      MiB/s of one client that fetches a large file
first byte      for 1, 10 and 1,000 clients that connect at the same time: the time from the first connection to the
                first byte of content, median and slowest
memory          KiB of resident memory for each further connection that is idle
CPU             ms of the server for each small request of those 1,000, and for each GiB of the large file
stalled disk    the time of a download while another client waits for a file whose disk does not answer; where that
                file system cannot be mounted (/dev/fuse, unshare), the column is empty

`single` serves one client at a time: it has no idle connections and keeps the others waiting.

Listens on loopback only, on free ports; stops what it starts, by process id.
"""

import argparse
import contextlib
import os
import selectors
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from crowd import GET, connect, fetch, frame, idle, serve
from measure import PROJECT, Place, cpu_of, make_file, raise_descriptor_limit

ARCHITECTURES = ("single", "threads", "select", "async")
CLIENTS = (1, 10, 1000)

# A stalled download that takes longer than this is reported as waiting.
STALL_LIMIT = 10

# In a mount namespace, with a file system at `mounted` on which the file `hangs` is not delivered: starts a server,
# has a client ask for that file, and prints how long another client takes for another file.
STALL = """
echo hangs >mounted/hangs; echo file >mounted/file
"$0" --serve --plain --public --json -P 0 --arch "$1" mounted >listening 2>/dev/null & server=$!
trap 'kill -9 $server $client 2>/dev/null' EXIT
until grep -q listening listening; do sleep 0.05; done
port=$(sed 's/.*"port":\\([0-9]*\\).*/\\1/;q' listening)
fetch() { "$0" --plain -H 127.0.0.1 -P "$port" -q --no-sync --overwrite -d got "$1"; }
fetch file
fetch hangs 2>/dev/null & client=$!
until test -e mounted/stalled; do sleep 0.05; done
start=$(date +%s%N)
timeout "$2" sh -c '"$0" --plain -H 127.0.0.1 -P "$1" -q --no-sync --overwrite -d got file' "$0" "$port" && echo $(( $(date +%s%N) - start )) >took
touch mounted/go
"""


class Waiting:
    """A client that has asked for a small file and waits for the first byte of its content."""

    def __init__(self, server, name):
        self.start = time.monotonic()
        self.received = b""
        self.socket = connect(server, frame(GET, 1, {"path": name}))
        self.socket.setblocking(False)

    def is_served(self):
        with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError):
            more = self.socket.recv(65536)
            if not more:
                raise RuntimeError("a connection was closed before its content was sent")
            self.received += more
        return b"first byte" in self.received


def first_bytes(server, name, count):
    """Seconds to the first byte of content, for each of `count` clients that connect at the same time."""
    times = []
    with selectors.DefaultSelector() as selector:
        for _ in range(count):
            client = Waiting(server, name)
            selector.register(client.socket, selectors.EVENT_READ, client)
        while len(times) < count:
            ready = selector.select(60)
            if not ready:
                raise RuntimeError(f"{count - len(times)} of {count} clients were not served within 60 s")
            for key, _ in ready:
                if key.data.is_served():
                    times.append(time.monotonic() - key.data.start)
                    selector.unregister(key.fileobj)
                    key.fileobj.close()
    return times


def stalled(binary, arch, folder):
    """Seconds of a download while the disk does not answer another client; `None` if that cannot be tried here."""
    with tempfile.TemporaryDirectory(prefix="fdsp-stall-", dir=folder) as root:
        for name in ("mounted", "got"):
            Path(root, name).mkdir()
        program = PROJECT / "tests" / "odd_file_system.py"
        command = ["unshare", "-rm", sys.executable, program, "mounted", "stall=hangs", "sh", "-c", STALL, binary, arch,
                   str(STALL_LIMIT)]
        try:
            done = subprocess.run(command, cwd=root, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, timeout=60)
        except (OSError, subprocess.TimeoutExpired):
            return None
        took = Path(root, "took")
        if took.exists():
            return int(took.read_text()) / 1e9
        return None if done.returncode == 77 else float("inf")


def measure(place, options, arch):
    server = serve(place, options.tui, arch, max(CLIENTS) + 16, options.tls)
    try:
        fetch(place, options.tui, server)
        # Before the many clients: their memory is used again.
        memory = "" if arch == "single" else f"{idle(server, max(CLIENTS)):.1f} KiB"
        before = cpu_of(server.pid)
        took = statistics.median(fetch(place, options.tui, server) for _ in range(options.runs))
        cpu = (cpu_of(server.pid) - before) / options.runs
        row = [f"{options.size / took:.0f} MiB/s", f"{cpu * 1024 / options.size * 1000:.0f} ms/GiB"]
        for count in CLIENTS:
            before = cpu_of(server.pid)
            times = first_bytes(server, "small.txt", count)
            row.append(f"{statistics.median(times) * 1000:.1f} / {max(times) * 1000:.1f} ms")
        row.append(f"{(cpu_of(server.pid) - before) / max(CLIENTS) * 1000:.2f} ms")
        row.append(memory)
    finally:
        server.stop()
    wait = stalled(options.tui, arch, options.dir)
    row.append("" if wait is None else "waits" if wait > STALL_LIMIT else f"{wait * 1000:.0f} ms")
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1024, help="MiB of the large file (default: 1024)")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--tls", action="store_true", help="all connections encrypted")
    parser.add_argument("--tui", default=str(PROJECT / "target/release/tui"), help="the binary")
    parser.add_argument("--dir", help="where to work (default: the temporary folder)")
    options = parser.parse_args()
    if not Path(options.tui).exists():
        subprocess.run(["cargo", "build", "--release", "--locked"], cwd=PROJECT, check=True)
    raise_descriptor_limit(2 * max(CLIENTS) + 256)
    with tempfile.TemporaryDirectory(prefix="fdsp-architectures-", dir=options.dir) as root:
        place = Place(root)
        os.environ["XDG_CONFIG_HOME"] = os.environ["XDG_STATE_HOME"] = str(place.settings)
        make_file(place.served / "fast.bin", options.size << 20)
        (place.served / "small.txt").write_text("first byte\n" * 100)
        columns = ["throughput", "CPU", *(f"first byte, {count}" for count in CLIENTS), "CPU a request", "idle",
                   "stalled disk"]
        print("| architecture | " + " | ".join(columns) + " |")
        print("|---" * (len(columns) + 1) + "|")
        for arch in ARCHITECTURES:
            print(f"| `{arch}` | " + " | ".join(measure(place, options, arch)) + " |", flush=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
