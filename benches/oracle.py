#!/usr/bin/env python3
"""What the time of an answer tells of things that nobody is to know of.

Asks for pairs of names of which one stands for something that is there and must not be told of, and one for nothing, in turns
and many times. Both answers have to be the same; their median times, and the difference beside that of a pair of two names
that both stand for nothing, say whether time tells what the answer does not.

Listens on loopback only, on a free port; stops what it starts, by process id.
"""

import argparse
import os
import random
import socket
import statistics
import struct
import subprocess
import tempfile
import time
from pathlib import Path

from crowd import HELLO, PREAMBLE, STAT, frame
from measure import PROJECT, Place
from servers import serve_tui

# What it is about, a name for something that is there, a name for nothing.
PAIRS = [
    ("nothing and nothing", "absent", "amiss!"),
    ("a link that leads out", "outward", "nowhere"),
    ("a link that leads out from below", "d/outward", "d/nowhere"),
    ("a path that leads out", "../there", "../gone!"),
    ("a path through a link", "up/there", "up/gone!"),
    ("a hidden file", ".there", ".gone!"),
    ("a file in a hidden folder", ".d/there", ".d/gone!"),
]


class Asker:
    """One connection."""

    def __init__(self, port):
        self.s = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.s.sendall(PREAMBLE + frame(HELLO, 0, {"agent": "oracle"}))
        self.buffer = b""
        self.read(len(PREAMBLE))
        self.answer()
        self.request = 0

    def read(self, count):
        while len(self.buffer) < count:
            more = self.s.recv(1 << 16)
            if not more:
                raise RuntimeError("closed")
            self.buffer += more
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def answer(self):
        kind, _, _, length, _ = struct.unpack("<BBHII", self.read(12))
        return kind, self.read(length)

    def ask(self, path):
        """The answer, and the nanoseconds that it took."""
        self.request += 1
        question = frame(STAT, self.request, {"path": path})
        began = time.perf_counter_ns()
        self.s.sendall(question)
        answer = self.answer()
        return answer, time.perf_counter_ns() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--asks", type=int, default=20_000, help="how often each name is asked for (default: 20000)")
    parser.add_argument("--arch", default="select", help="the server's architecture (default: select)")
    parser.add_argument("--tui", default=str(PROJECT / "target/release/tui"), help="the binary")
    options = parser.parse_args()
    if not Path(options.tui).exists():
        subprocess.run(["cargo", "build", "--release", "--locked"], cwd=PROJECT, check=True)
    with tempfile.TemporaryDirectory(prefix="fdsp-oracle-") as root:
        place = Place(root)
        os.environ["XDG_CONFIG_HOME"] = os.environ["XDG_STATE_HOME"] = str(place.settings)
        there = place.served.parent / "there"
        there.write_bytes(b"secret")
        for folder in (place.served, place.served / "d"):
            folder.mkdir(exist_ok=True)
            (folder / "outward").symlink_to(there)
            (folder / "nowhere").symlink_to(there.with_name("gone!"))
        (place.served / "up").symlink_to("..")
        (place.served / ".there").write_bytes(b"secret")
        (place.served / ".d").mkdir()
        (place.served / ".d/there").write_bytes(b"secret")
        server = serve_tui(place, options.tui, "--plain", "--arch", options.arch, "--hidden", "never",
                           "--max-requests", str(2 * options.asks + 1))
        try:
            print(f"{'':36}{'there':>12}{'nothing':>12}{'difference':>12}")
            for about, *names in PAIRS:
                asker, times, answers = Asker(server.port), {name: [] for name in names}, set()
                for number in range(options.asks):
                    random.shuffle(names)
                    for name in names:
                        (kind, said), spent = asker.ask(name)
                        answers.add((kind, said.replace(name.encode(), b"NAME")))
                        # The first ones find nothing in any cache.
                        if number >= options.asks // 10:
                            times[name].append(spent)
                if len(answers) != 1:
                    raise RuntimeError(f"{about}: the answers differ: {answers}")
                there, nothing = (statistics.median(spent) / 1000 for spent in times.values())
                print(f"{about:36}{there:>9.2f} µs{nothing:>9.2f} µs{there - nothing:>+9.2f} µs", flush=True)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
