#!/usr/bin/env python3
"""The HTTP face beside nginx (with and without sendfile), dufs and Python's http.server, as far as they are installed: requests a second of
4 KiB files with keep-alive (wrk), one large file plain and with TLS (curl), and the memory of idle connections.

The servers take turns, round by round; printed are medians, and ratios to nginx in the same run: above 1 means faster than nginx, or less memory.
Files are in memory (/dev/shm, where there is one), and client and server share the processors.

Listens on loopback only, on free ports; stops what it starts, by process id; each run is bounded in time.
"""

import argparse
import contextlib
import http.client
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import PROJECT, QUIET, Place, Server, free_port, make_file, peak_of, raise_descriptor_limit, tool
from servers import serve_dufs, serve_nginx, serve_tui

ARCHITECTURES = ("single", "threads", "select", "async")
SMALL, LARGE = "small.bin", "large.bin"
TIMEOUT = 600


def serve_python(place, binary):
    port = free_port()
    return Server([binary, "-m", "http.server", "-b", "127.0.0.1", "-d", str(place.served), str(port)], port, **QUIET)


def start_nginx(place, binary, tls=False, sendfile=True):
    """That of the other comparisons, with as many connections as are tried here."""
    write = place.write

    def changed(name, text, mode=0o600):
        text = text.replace("events { }", "events { worker_connections 20000; }")
        return write(name, text if sendfile else text.replace("sendfile on;", "sendfile off;"), mode)

    place.write = changed
    try:
        return serve_nginx(place, binary, tls=tls)
    finally:
        place.write = write


def contestants(place, binary, tls):
    """Names, and what starts each server; nginx is first, since the others are compared with it."""
    nginx, dufs = tool("nginx"), tool("dufs")
    if nginx:
        yield "nginx", lambda: start_nginx(place, nginx, tls=tls)
        if not tls:
            yield "nginx, no sendfile", lambda: start_nginx(place, nginx, sendfile=False)
    else:
        print("skipped: nginx is not installed")
    options = [] if tls else ["--plain"]
    for arch in ARCHITECTURES:
        yield f"tui, {arch}", lambda arch=arch: serve_tui(place, binary, "--arch", arch, "--max-per-address", "100000",
                                                          "--max-connections", "100000", *options)
    if not tls:
        if dufs:
            yield "dufs", lambda: serve_dufs(place, dufs)
        else:
            print("skipped: dufs is not installed")
        yield "python http.server", lambda: serve_python(place, sys.executable)


def requests_a_second(server, seconds):
    """With 32 connections that are kept open where the server keeps them."""
    command = [tool("wrk"), "-t1", "-c32", f"-d{seconds}s", f"http://127.0.0.1:{server.port}/{SMALL}"]
    out = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=True).stdout
    return float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1])


def bytes_a_second(server, size, scheme):
    start = time.monotonic()
    subprocess.run([tool("curl"), "-s", "-f", "-k", "--noproxy", "*", "-o", "/dev/null",
                    f"{scheme}://127.0.0.1:{server.port}/{LARGE}"], check=True, timeout=TIMEOUT)
    return size / (time.monotonic() - start)


def memory_of_idle(server, count):
    """MiB that `count` connections add, each after one request. None if the server does not keep them all."""
    before = peak_of(server.pid)
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            line = stack.enter_context(contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)))
            line.request("GET", f"/{SMALL}")
            line.getresponse().read()
        last = line.sock
        if last is None:
            return None
        last.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            if last.recv(1, socket.MSG_PEEK) == b"":
                return None
        return peak_of(server.pid) - before


def compare(title, unit, rounds, servers, measure, is_better_less=False):
    found = {}
    for _ in range(rounds):
        for name, start in servers:
            try:
                server = start()
            except (OSError, RuntimeError) as error:
                print(f"skipped: {name}: {error}")
                continue
            try:
                value = measure(server)
            except (OSError, subprocess.SubprocessError, http.client.HTTPException) as error:
                print(f"failed: {name}: {error}")
                value = None
            finally:
                server.stop()
            if value is not None:
                found.setdefault(name, []).append(value)
    print(f"\n{title}")
    medians = {name: statistics.median(values) for name, values in found.items()}
    base = medians.get("nginx")
    for name, median in medians.items():
        ratio = "" if not base or not median else f"{base / median if is_better_less else median / base:8.2f} × nginx"
        print(f"  {name:20} {median:12,.1f} {unit}{ratio}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", default=PROJECT / "target/release/tui", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5, help="of each run of wrk")
    parser.add_argument("--size", type=int, default=2048, help="of the large file, in MiB")
    parser.add_argument("--idle", type=int, default=10_000, help="idle connections; 0 leaves them out")
    options = parser.parse_args()
    if not options.binary.exists():
        sys.exit(f"{options.binary} is missing: cargo build --release")
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as root:
        place = Place(root)
        make_file(place.served / SMALL, 4096)
        make_file(place.served / LARGE, options.size << 20)
        plain = list(contestants(place, str(options.binary), False))
        secure = list(contestants(place, str(options.binary), True))
        if tool("wrk"):
            compare("4 KiB, keep-alive (wrk, 32 connections)", "requests/s", options.rounds, plain,
                    lambda server: requests_a_second(server, options.seconds))
        else:
            print("skipped: wrk is not installed")
        for title, servers, scheme in (("plain", plain, "http"), ("TLS", secure, "https")):
            compare(f"{options.size} MiB, {title} (curl)", "MB/s", options.rounds, servers,
                    lambda server, scheme=scheme: bytes_a_second(server, options.size << 20, scheme) / 1e6)
        if options.idle:
            raise_descriptor_limit(options.idle + 100)
            compare(f"{options.idle:,} idle connections", "MiB", 1, plain,
                    lambda server: memory_of_idle(server, options.idle), is_better_less=True)


if __name__ == "__main__":
    main()
