#!/usr/bin/env python3
"""The peer comparison: the same work over loopback with this program and with those of nginx, curl, aria2, vsftpd,
lftp, rsync, scp and dufs that are installed, in one run on one machine.

The works: one file without and with TLS, over several connections, and from a half that is there already; a folder
of small files as itself; a folder as a zip. Prints the medians of wall and CPU time and their ratios to the first
row, this program (above 1: the peer needs more). This program verifies every byte; of the peers only rsync and scp
do. Nothing waits for the disk.

Listens on loopback only, on free ports; stops what it starts, by process id; each run is bounded in time.
"""

import argparse
import contextlib
import filecmp
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import PROJECT, QUIET, Contestant, Place, Work, compare, make_file, tool
from servers import address_of, serve_dufs, serve_nginx, serve_rsync, serve_sshd, serve_tui, serve_vsftpd

ARCHITECTURES = ("async", "threads", "select", "single")
SMALL_FILES, SMALL_SIZE = 10_000, 4096


def tui(place, binary, *options, tls=False, architectures=ARCHITECTURES[:1]):
    """This program with some architectures of its server."""
    for arch in architectures:
        transport = [] if tls else ["--plain"]

        def client(server, name, target):
            return [binary, "-q", "--no-sync", *options, "-l", str(target), address_of(server, name)]

        yield Contestant(f"tui, {arch}", lambda arch=arch: serve_tui(place, binary, "--arch", arch, *transport), client)


def peers(place, *table):
    """The peers of which both programs are installed. `command(client, server, name, target)` makes the command."""
    for label, start, daemon, client, command in table:
        missing = [name for name in (daemon, client) if not tool(name)]
        if missing:
            print(f"skipped: {label}: {' and '.join(missing)} not installed")
            continue
        yield Contestant(label, lambda start=start, daemon=daemon: start(place, tool(daemon)),
                         lambda server, name, target, client=client, command=command:
                             command(tool(client), server, name, target))


def nginx_tls(place, binary):
    return serve_nginx(place, binary, tls=True)


def curl(*options, scheme="http", query=""):
    return lambda client, server, name, target: [
        client, "-s", "-f", "-k", *options, "-o", str(target), f"{scheme}://127.0.0.1:{server.port}/{name}{query}"]


def aria2(*options):
    return lambda client, server, name, target: [
        client, "-q", "--file-allocation=none", *options, "-d", str(target.parent), "-o", target.name,
        f"http://127.0.0.1:{server.port}/{name}"]


def lftp(client, server, name, target):
    return [client, "-e", f"set xfer:clobber yes; get {name} -o {target}; bye", f"ftp://127.0.0.1:{server.port}/"]


def rsync(*options, folder=""):
    return lambda client, server, name, target: [
        client, *options, f"rsync://127.0.0.1:{server.port}/m/{name}{folder}", f"{target}{folder}"]


def scp(place, *options):
    return lambda client, server, name, target: [
        client, "-q", *options, "-c", "aes128-gcm@openssh.com", "-i", str(place.settings / "user"),
        "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-P", str(server.port),
        f"127.0.0.1:{place.served}/{name}", str(target)]


def same_file(original):
    def check(path):
        if not filecmp.cmp(path, original, shallow=False):
            raise RuntimeError("what came is not what was served")
    return check


def file_works(place, binary, options):
    size = options.size << 20
    original = place.served / "file.bin"
    make_file(original, size)
    name, check = original.name, same_file(original)

    def half(target):
        shutil.copyfile(original, target)
        os.truncate(target, size // 2)

    if options.wants("file"):
        yield Work(f"One file of {options.size} MiB", name, size, check), [
            *tui(place, binary, architectures=ARCHITECTURES),
            *peers(place, ("nginx + curl", serve_nginx, "nginx", "curl", curl()),
                   ("nginx + aria2", serve_nginx, "nginx", "aria2c", aria2()),
                   ("vsftpd + lftp", serve_vsftpd, "vsftpd", "lftp", lftp),
                   ("rsync daemon", serve_rsync, "rsync", "rsync", rsync("-W")),
                   ("dufs + curl", serve_dufs, "dufs", "curl", curl()))]
    if options.wants("tls"):
        yield Work(f"One file of {options.size} MiB, encrypted", name, size, check), [
            *tui(place, binary, tls=True, architectures=ARCHITECTURES),
            *peers(place, ("nginx TLS 1.3 + curl", nginx_tls, "nginx", "curl", curl(scheme="https")),
                   ("scp (aes128-gcm)", serve_sshd, "sshd", "scp", scp(place)))]
    if options.wants("segments"):
        yield Work(f"One file of {options.size} MiB over four connections", name, size, check), [
            *tui(place, binary, "--segments", "4"),
            *peers(place, ("nginx + aria2, four", serve_nginx, "nginx", "aria2c", aria2("-x4", "-s4", "-k1M")))]
    if options.wants("resume"):
        yield Work(f"The second half of a file of {options.size} MiB", name, size // 2, check, half), [
            *tui(place, binary, "--update"),
            *peers(place, ("nginx + curl -C -", serve_nginx, "nginx", "curl", curl("-C", "-")),
                   ("nginx + aria2 -c", serve_nginx, "nginx", "aria2c", aria2("-c")),
                   ("rsync --append-verify", serve_rsync, "rsync", "rsync", rsync("--append-verify")))]
    original.unlink()


def tree_work(place, binary):
    """Small files in memory: what is measured is neither the disk nor the wire."""
    folder = place.served / "tree"
    for number in range(100):
        (folder / f"{number:02}").mkdir(parents=True)
        for index in range(SMALL_FILES // 100):
            (folder / f"{number:02}" / f"{index:02}.bin").write_bytes(os.urandom(SMALL_SIZE))
    names = [path.relative_to(place.served) for path in sorted(folder.glob("*/*"))]

    def check(path):
        if subprocess.run(["diff", "-r", str(folder), str(path)], **QUIET).returncode != 0:
            raise RuntimeError("what came is not what was served")

    def aria2_list(client, server, name, target):
        lines = "".join(f"http://127.0.0.1:{server.port}/{path}\n out={path.relative_to(name)}\n" for path in names)
        return [client, "-q", "--file-allocation=none", "-j", "16", "-d", str(target), "-i", place.write("list", lines)]

    work = Work(f"A folder of {SMALL_FILES} files of {SMALL_SIZE} bytes, in memory", "tree", SMALL_FILES * SMALL_SIZE,
                check)
    return work, [
        *tui(place, binary, "--as", "tree", architectures=ARCHITECTURES),
        *peers(place, ("rsync daemon", serve_rsync, "rsync", "rsync", rsync("-a", folder="/")),
               ("scp -r (aes128-gcm)", serve_sshd, "sshd", "scp", scp(place, "-r")),
               ("nginx + aria2", serve_nginx, "nginx", "aria2c", aria2_list))]


def zip_work(place, binary, options):
    total = make_mixed(place.served / "mixed", options.tree << 20)

    def is_zip(path):
        if subprocess.run([sys.executable, "-m", "zipfile", "-t", str(path)], **QUIET).returncode != 0:
            raise RuntimeError("what came is no sound zip")

    contestants = [*tui(place, binary, architectures=ARCHITECTURES),
                   *peers(place, ("dufs + curl", serve_dufs, "dufs", "curl", curl(query="?zip")))]
    if tool("zip"):
        contestants.append(Contestant("zip -r -6 (no network)", lambda: None, lambda server, name, target:
                           ["sh", "-c", 'cd "$1" && exec "$2" -q -r -6 - "$3" > "$4"', "sh", str(place.served),
                            tool("zip"), name, str(target)]))
    else:
        print("skipped: zip -r -6: zip not installed")
    title = f"A folder of {total >> 20} MiB in 2,048 files as a zip (half text, half noise)"
    return Work(title, "mixed", total, is_zip), contestants


def make_mixed(root, size):
    """Half text, which deflates well, half noise; small and large files; the bytes of all of them."""
    text = b"".join(b"%08d the quick brown fox jumps over the lazy dog %d\n" % (n, n * n) for n in range(20000))
    total = 0
    for number in range(64):
        folder = root / f"folder-{number:02}"
        folder.mkdir(parents=True)
        for index in range(30):
            content = text[: 4096 * (1 + index % 5)]
            (folder / f"small-{index:02}.txt").write_bytes(content)
            total += len(content)
        share = size // 64 // 2
        (folder / "large.txt").write_bytes((text * (share // len(text) + 1))[:share])
        make_file(folder / "large.bin", share)
        total += 2 * share
    return total


@contextlib.contextmanager
def workplace(folder):
    """A place to work in. The home folder of whoever runs this has settings; a benchmark has its own."""
    with tempfile.TemporaryDirectory(prefix="fdsp-peers-", dir=folder) as root:
        place = Place(root)
        os.environ["XDG_CONFIG_HOME"] = os.environ["XDG_STATE_HOME"] = str(place.settings)
        yield place


def main():
    works = ("file", "tls", "segments", "resume", "tree", "zip")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", choices=works, action="append", help="only this one (may be given several times)")
    parser.add_argument("--size", type=int, default=2048, help="MiB of the file (default: 2048)")
    parser.add_argument("--tree", type=int, default=256, help="MiB of the folder for the zip (default: 256)")
    parser.add_argument("--runs", type=int, default=5, help="counted runs of each (default: 5)")
    parser.add_argument("--patience", type=int, default=120, help="seconds for one run at most (default: 120)")
    parser.add_argument("--budget", type=int, default=600, help="seconds for one table, about (default: 600)")
    parser.add_argument("--tui", default=str(PROJECT / "target/release/tui"), help="the binary")
    parser.add_argument("--dir", help="where to work: twice the size must fit (default: the temporary folder)")
    options = parser.parse_args()
    options.wants = lambda work: not options.work or work in options.work
    if not Path(options.tui).exists():
        subprocess.run(["cargo", "build", "--release", "--locked"], cwd=PROJECT, check=True)
    with workplace(options.dir) as place:
        if shutil.disk_usage(place.root).free < (2 * options.size + 64) << 20:
            sys.exit(f"there is no room for twice {options.size} MiB in {place.root}: use --dir or --size")
        if any(map(options.wants, works[:4])):
            for work, contestants in file_works(place, options.tui, options):
                compare(work, contestants, place, options)
        if options.wants("zip"):
            compare(*zip_work(place, options.tui, options), place, options)
    if options.wants("tree"):
        with workplace("/dev/shm" if os.path.isdir("/dev/shm") else options.dir) as place:
            compare(*tree_work(place, options.tui), place, options)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
