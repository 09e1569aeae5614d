#!/usr/bin/env python3
"""An honest client beside each attack: how much of its speed is left to it.

For each architecture (single serves one client at a time and is left out) and each attack: the median time of an honest
client's fetch without and with the attack, which take turns, and the median of what each pair of them says of the share
of its speed that is left.
The attackers run at the lowest priority, as their work would not be done on the server's machine.

Listens on loopback only, on free ports; stops what it starts, by process id.
"""

import argparse
import contextlib
import itertools
import multiprocessing
import operator
import os
import random
import resource
import socket
import ssl
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from crowd import GET, HELLO, PREAMBLE, STAT, fetch, frame, serve, unverified
from measure import PROJECT, Place, make_file

LIST, HASHES, TREE = 0x03, 0x05, 0x06
# The origin of the attackers; the honest client comes from 127.0.0.1. The server lets origins take turns.
ATTACKER = "127.0.0.2"
GREETING = PREAMBLE + frame(HELLO, 0, {"agent": "attack"})


def hold(says):
    """Says something, then nothing more, and reads nothing."""
    def attack(connect):
        s = connect()
        s.sendall(says)
        while True:
            time.sleep(3600)
    return attack


def strangers(connect):
    """Connects from an address of its own, says nothing, and comes again whenever it is closed."""
    while True:
        with contextlib.suppress(OSError), contextlib.closing(connect(somewhere())) as s:
            s.recv(1)
        time.sleep(0.1)


def somewhere():
    """One of the addresses of this machine."""
    return "127." + ".".join(str(random.randrange(1, 255)) for _ in range(3))


def trickle(says):
    """Asks for something and reads a byte of it a second."""
    def attack(connect):
        s = connect()
        s.sendall(says)
        while True:
            time.sleep(1)
            s.recv(1)
    return attack


def again(says):
    """Says something, hears the answer to its end, and begins anew."""
    def attack(connect):
        while True:
            with contextlib.suppress(OSError), contextlib.closing(connect()) as s:
                s.sendall(says)
                # What is half-closed is no TLS any more.
                if not isinstance(s, ssl.SSLSocket):
                    s.shutdown(socket.SHUT_WR)
                while s.recv(1 << 16):
                    pass
    return attack


def flood(*asked):
    """Asks again and again on one connection, and throws the answers away."""
    def attack(connect):
        while True:
            with contextlib.suppress(OSError), contextlib.closing(connect()) as s:
                s.sendall(GREETING)
                number = 0
                while True:
                    numbered = enumerate(itertools.islice(itertools.cycle(asked), 32), number + 1)
                    requests = [frame(kind, n, message) for n, (kind, message) in numbered]
                    number += len(requests)
                    s.sendall(b"".join(requests))
                    s.setblocking(False)
                    with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError):
                        while s.recv(1 << 20):
                            pass
                    s.settimeout(5)
    return attack


def newcomer(says, awaits):
    """Says something, leaves as soon as the answer has this in it, and comes as somebody new."""
    def attack(connect):
        while True:
            with contextlib.suppress(OSError), contextlib.closing(connect()) as s:
                s.sendall(says)
                heard = b""
                while awaits not in heard and (more := s.recv(1 << 16)):
                    heard += more
    return attack


# Name, connections, what each of them does.
ATTACKS = [
    ("silence", 200, hold(b"")),
    ("strangers", 700, strangers),
    ("half a preamble", 200, hold(PREAMBLE[:4])),
    ("half a request", 200, hold(GREETING + frame(GET, 1, {"path": "x"})[:11])),
    ("never reading", 50, hold(GREETING + frame(GET, 1, {"path": "slow.bin"}))),
    ("a byte a second", 50, trickle(GREETING + frame(GET, 1, {"path": "slow.bin"}))),
    ("connecting", 4, again(b"")),
    ("violations", 4, again(GREETING + b"\x7f" * 64)),
    ("ways out", 4, flood((GET, {"path": "../../etc/passwd"}))),
    ("tiny requests", 4, flood((STAT, {"path": "fast.bin"}))),
    ("tiny files", 4, flood((GET, {"path": "many/0"}))),
    ("lists", 4, flood((LIST, {"path": "many"}))),
    ("lists of few", 60, flood((LIST, {"path": "more", "limit": 1}))),
    ("lists by files", 8, flood((GET, {"path": "many/0"}), (LIST, {"path": "more", "limit": 1}))),
    ("lists by newcomers", 60, newcomer(GREETING + frame(LIST, 1, {"path": "many", "limit": 1}), b'"entries"')),
    ("trees", 4, flood((TREE, {"path": "many"}))),
    ("hashes", 4, flood((HASHES, {"path": "slow.bin"}))),
    ("archives", 4, flood((GET, {"path": "many"}))),
]


def yield_processors():
    """Leaves the processors to everybody else. Where sessions share them as equals, so does a session of its own."""
    os.nice(19)
    os.setsid()
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text("19")


def attackers(port, tls, attack, count, ready):
    """A process of attackers, until it is killed. They begin when all of them are connected."""
    yield_processors()
    context = unverified() if tls else None
    together = threading.Barrier(count, ready.set)

    def connect(source=ATTACKER):
        s = socket.create_connection(("127.0.0.1", port), timeout=20, source_address=(source, 0))
        if source != ATTACKER:
            # It does not even begin TLS.
            s.settimeout(3600)
        elif context:
            s = context.wrap_socket(s)
        if not ready.is_set():
            together.wait()
        return s

    def run():
        with contextlib.suppress(OSError):
            attack(connect)

    for _ in range(count):
        threading.Thread(target=run).start()


@contextlib.contextmanager
def under(server, index):
    """While the attack runs. It gets half a second to come into its own."""
    _, count, attack = ATTACKS[index]
    ready = multiprocessing.Event()
    process = multiprocessing.Process(
        target=attackers, args=(server.port, bool(server.tls), attack, count, ready))
    process.start()
    try:
        if not ready.wait(20):
            raise RuntimeError("not all attackers got a connection")
        time.sleep(0.5)
        yield
    finally:
        process.kill()
        process.join()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1024, help="MiB that the honest client fetches (default: 1024)")
    parser.add_argument("--runs", type=int, default=7, help="fetches without and with each attack (default: 7)")
    parser.add_argument("--only", help="attacks whose name has this in it")
    parser.add_argument("--tls", action="store_true", help="all of them encrypted")
    parser.add_argument("--tui", default=str(PROJECT / "target/release/tui"), help="the binary")
    parser.add_argument("--dir", help="where to work (default: the temporary folder)")
    options = parser.parse_args()
    multiprocessing.set_start_method("fork")
    if not Path(options.tui).exists():
        subprocess.run(["cargo", "build", "--release", "--locked"], cwd=PROJECT, check=True)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory(prefix="fdsp-attack-", dir=options.dir) as root:
        place = Place(root)
        os.environ["XDG_CONFIG_HOME"] = os.environ["XDG_STATE_HOME"] = str(place.settings)
        make_file(place.served / "fast.bin", options.size << 20)
        with open(place.served / "slow.bin", "wb") as file:
            file.truncate(1 << 30)
        (place.served / "many").mkdir()
        for number in range(1000):
            (place.served / "many" / f"{number:04}").write_bytes(os.urandom(2000))
        (place.served / "many" / "0").write_bytes(b"0")
        (place.served / "more").mkdir()
        for number in range(20_000):
            (place.served / "more" / f"{number:05}").touch()
        print(f"{'':10}{'':20}{'alone':>10}{'attacked':>10}{'keeps':>8}")
        for arch in ("threads", "select", "async"):
            server = serve(place, options.tui, arch, 512, options.tls)
            try:
                fetch(place, options.tui, server)
                for index, (name, *_) in enumerate(ATTACKS):
                    if options.only and options.only not in name:
                        continue
                    alone, beside = [], []
                    for _ in range(options.runs):
                        alone.append(fetch(place, options.tui, server))
                        with under(server, index):
                            beside.append(fetch(place, options.tui, server))
                    keeps = statistics.median(map(operator.truediv, alone, beside))
                    alone, beside = statistics.median(alone), statistics.median(beside)
                    print(f"{arch:10}{name:20}{alone:>8.2f} s{beside:>8.2f} s{keeps:>8.0%}", flush=True)
            finally:
                server.stop()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
