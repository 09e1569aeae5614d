#!/usr/bin/env python3
"""Trees and a file over a long link: this program beside rsync's daemon, in one run on one machine.

The link is a proxy on loopback with a one-way delay, a rate that all connections of a direction share, and a window for
each connection. The works: photos (60 files of 3 MB), 2,000 mixed files, and one file of 400 MB, each at a round trip of
100 ms with 40 MB/s and of 200 ms with 80 MB/s. Prints the medians of the wall time, the time that the link needs for
the bytes alone, and the ratios to the first row, this program (above 1: the peer needs more).

Listens on loopback only, on free ports; stops what it starts, by process id; each run and each link is bounded in time.
"""

import argparse
import asyncio
import collections
import contextlib
import random
import statistics
import subprocess
import sys
from pathlib import Path

from measure import PROJECT, QUIET, Contestant, Server, Work, free_port, make_file, remove, tool
from peers import rsync, workplace
from servers import serve_rsync, serve_tui

LINKS = {"100": (0.100, 40e6), "200": (0.200, 80e6)}
WINDOW = 4_000_000
# A proxy ends by itself after this many seconds, whatever happens to the process that has started it.
LINK_LIFETIME = 600


class Rate:
    """When bytes have left one end of the link: all connections share its rate."""

    def __init__(self, rate):
        self.rate, self.free = rate, 0.0

    def leave(self, count):
        self.free = max(self.free, asyncio.get_running_loop().time()) + count / self.rate
        return self.free


async def carry(reader, writer, rate, delay):
    """Moves bytes in one direction: each piece arrives when it has left and the delay is over; at most a window is under way."""
    loop = asyncio.get_running_loop()
    pieces, changed = collections.deque(), asyncio.Event()
    under_way, ended = 0, False

    async def deliver():
        nonlocal under_way
        while True:
            while not pieces and not ended:
                changed.clear()
                await changed.wait()
            if not pieces:
                break
            due, piece = pieces.popleft()
            await asyncio.sleep(max(0.0, due - loop.time()))
            writer.write(piece)
            await writer.drain()
            under_way -= len(piece)
            changed.set()
        writer.write_eof()

    async def receive():
        nonlocal under_way, ended
        try:
            while True:
                while under_way >= WINDOW:
                    changed.clear()
                    await changed.wait()
                piece = await reader.read(65536)
                if not piece:
                    return
                under_way += len(piece)
                pieces.append((rate.leave(len(piece)) + delay, piece))
                changed.set()
        finally:
            ended = True
            changed.set()

    # A connection that either side resets ends here.
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        await asyncio.gather(deliver(), receive())


async def link(port, target, round_trip, rate):
    """The proxy."""
    up, down = Rate(rate), Rate(rate)

    async def connected(reader, writer):
        # The handshake of TCP takes a round trip.
        await asyncio.sleep(round_trip)
        there, back = await asyncio.open_connection("127.0.0.1", target, limit=1 << 20)
        delay = round_trip / 2
        await asyncio.gather(carry(reader, back, up, delay), carry(there, writer, down, delay))
        for end in (writer, back):
            end.close()

    server = await asyncio.start_server(connected, "127.0.0.1", port, limit=1 << 20)
    async with server:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(server.serve_forever(), LINK_LIFETIME)


class Behind:
    """A server that is reached over a link."""

    def __init__(self, server, name):
        self.server, self.port = server, free_port()
        self.link = Server([sys.executable, __file__, "--link", name, str(self.port), str(server.port)], self.port, **QUIET)

    @property
    def pid(self):
        return self.server.pid

    def address(self, path):
        """The address of something that this program serves, over the link."""
        address, separator, pin = self.server.address.partition("#")
        address = address.replace(f":{self.server.port}", f":{self.port}", 1)
        return f"{address.rstrip('/')}/{path}{separator}{pin}"

    def stop(self):
        self.link.stop()
        self.server.stop()


def contestants(place, options, name):
    def tui(label, binary, *transport):
        def client(server, path, target):
            return [binary, "-q", "--no-sync", "--as", "auto" if path == "file" else "tree", "-l", str(target),
                    server.address(path)]

        return Contestant(label, lambda: Behind(serve_tui(place, options.tui, *transport), name), client)

    yield tui("tui", options.tui, "--plain")
    yield tui("tui, TLS", options.tui)
    if options.before:
        yield tui("tui before", options.before, "--plain")
        yield tui("tui before, TLS", options.before)
    if not tool("rsync"):
        print("skipped: rsync: not installed")
        return
    command = rsync("-a")
    folder = rsync("-a", folder="/")
    yield Contestant("rsync daemon", lambda: Behind(serve_rsync(place, tool("rsync")), name),
                     lambda server, path, target: (command if path == "file" else folder)(tool("rsync"), server, path, target))


def photos(root):
    root.mkdir()
    for number in range(60):
        make_file(root / f"photo-{number:02}.jpg", 3_000_000)
    return 180_000_000


def mixed(root):
    """Of 2,000 files most are small, and a few have most of the bytes."""
    chance, total = random.Random(1), 0
    for number in range(2000):
        folder = root / f"folder-{number % 40:02}"
        folder.mkdir(parents=True, exist_ok=True)
        size = {0: 4_000_000, 1: 300_000}.get(number % 100, chance.randrange(100, 40_000))
        make_file(folder / f"file-{number:04}", size)
        total += size
    return total


def one(path):
    make_file(path, 400_000_000)
    return 400_000_000


WORKS = {"photos": photos, "mixed": mixed, "file": one}


def compare(place, options, work, name):
    """The contestants take turns, so that all meet the same load of the machine."""
    round_trip, rate = LINKS[name]
    running, alone = [], work.size / rate + round_trip / 2
    try:
        for contestant in contestants(place, options, name):
            try:
                contestant.server = contestant.start()
                running.append(contestant)
            except (RuntimeError, OSError) as error:
                print(f"skipped: {contestant.label}: {error}")
        for _ in range(options.runs):
            for contestant in running:
                contestant.runs.append(contestant.run(place, work, options.patience)[0])
                work.check(place.got / "out")
        print(f"\n{work.title}, round trip {round_trip * 1000:.0f} ms, {rate / 1e6:.0f} MB/s; the bytes alone {alone:.2f} s")
        base = None
        for contestant in running:
            wall = statistics.median(contestant.runs)
            base = base or wall
            print(f"{contestant.label:20}{wall:>8.2f} s{wall / base:>8.2f} ×{wall / alone:>8.2f} × the link", flush=True)
    finally:
        for contestant in running:
            contestant.server.stop()
        remove(place.got / "out")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", choices=WORKS, action="append", help="only this one (may be given several times)")
    parser.add_argument("--rtt", choices=LINKS, action="append", help="only this link, by its round trip in ms")
    parser.add_argument("--runs", type=int, default=3, help="runs of each (default: 3)")
    parser.add_argument("--patience", type=int, default=60, help="seconds for one run at most (default: 60)")
    parser.add_argument("--tui", default=str(PROJECT / "target/release/tui"), help="the binary")
    parser.add_argument("--before", help="another binary to compare with, as the client")
    parser.add_argument("--dir", help="where to work: a gigabyte must fit (default: the temporary folder)")
    parser.add_argument("--link", nargs=3, metavar=("RTT", "PORT", "TARGET"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.link:
        name, port, target = options.link
        asyncio.run(link(int(port), int(target), *LINKS[name]))
        return
    if not Path(options.tui).exists():
        subprocess.run(["cargo", "build", "--release", "--locked"], cwd=PROJECT, check=True)
    for kind in options.work or WORKS:
        with workplace(options.dir) as place:
            path = place.served / kind
            size = WORKS[kind](path)

            def check(got, path=path):
                if subprocess.run(["diff", "-r", str(path), str(got)], **QUIET).returncode != 0:
                    raise RuntimeError("what came is not what was served")

            work = Work({"photos": "60 photos of 3 MB", "mixed": "2,000 mixed files", "file": "One file of 400 MB"}[kind],
                        kind, size, check)
            for name in options.rtt or LINKS:
                compare(place, options, work, name)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
