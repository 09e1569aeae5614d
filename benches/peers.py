#!/usr/bin/env python3
"""The peer comparison: the same file over loopback with this program and with those of nginx+curl, nginx+aria2,
vsftpd+lftp, rsync, scp and dufs that are installed, in one run on one machine; and a folder as a zip.

Prints the medians of wall and CPU time and their ratios to this program's (above 1: the peer needs more).
This program verifies every byte; of the peers only rsync and scp do. Nothing waits for the disk.

Listens on loopback only, on free ports; stops what it starts, by process id; each run is bounded in time.
"""

import argparse
import contextlib
import filecmp
import getpass
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
TICKS = os.sysconf("SC_CLK_TCK")


def tool(name):
    """The path of a program; those of daemons are not always in PATH."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/sbin")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def children_of(pid):
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(word) for word in task.read_text().split()]
    return found


def cpu_of(pid):
    """CPU seconds of a process, of the children that it has buried, and of those that live."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    own = sum(int(field) for field in fields[11:15]) / TICKS
    return own + sum(cpu_of(child) for child in children_of(pid))


def peak_of(pid):
    """The largest resident memory of a process, in MiB."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return None


class Server:
    """A server that runs until it is stopped."""

    def __init__(self, argv, port=None, **options):
        self.process = subprocess.Popen(argv, start_new_session=True, stdin=subprocess.DEVNULL, **options)
        self.port = port
        if port:
            self.wait()

    def wait(self):
        end = time.monotonic() + 10
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise RuntimeError("it ended at once")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.05)
        raise RuntimeError("it does not listen")

    @property
    def pid(self):
        return self.process.pid

    def stop(self):
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(5)
                return


class Place:
    """Where everything is."""

    def __init__(self, root):
        self.root = Path(root)
        self.served = self.root / "served"
        self.got = self.root / "got"
        self.settings = self.root / "settings"
        for folder in (self.served, self.got, self.settings):
            folder.mkdir()

    def write(self, name, text, mode=0o600):
        path = self.settings / name
        path.write_text(text)
        path.chmod(mode)
        return str(path)


QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def serve_tui(place, binary, arch):
    server = Server([binary, "--serve", "--json", "-P", "0", "--arch", arch, str(place.served)],
                    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    server.port = json.loads(server.process.stdout.readline())["port"]
    return server


def serve_nginx(place, binary):
    port = free_port()
    temporary = "".join(f"{kind}_temp_path {place.settings}/{kind};\n"
                        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    config = place.write("nginx.conf", f"""
        daemon off; pid {place.settings}/nginx.pid; worker_processes 1; error_log stderr;
        {"user root;" if os.geteuid() == 0 else ""}
        events {{ }}
        http {{ access_log off; sendfile on; tcp_nopush on; {temporary}
                server {{ listen 127.0.0.1:{port}; root {place.served}; }} }}""")
    return Server([binary, "-c", config, "-p", str(place.settings)], port, **QUIET)


def serve_vsftpd(place, binary):
    port = free_port()
    config = place.write("vsftpd.conf", f"""listen=YES
listen_address=127.0.0.1
listen_port={port}
background=NO
anonymous_enable=YES
no_anon_password=YES
anon_root={place.served}
anon_world_readable_only=NO
ftp_username={getpass.getuser()}
run_as_launching_user=YES
use_sendfile=YES
seccomp_sandbox=NO
allow_writeable_chroot=YES
xferlog_enable=NO
""")
    return Server([binary, config], port, **QUIET)


def serve_rsync(place, binary):
    port = free_port()
    config = place.write("rsyncd.conf", f"use chroot = no\n[m]\npath = {place.served}\nread only = yes\n")
    return Server([binary, "--daemon", "--no-detach", f"--config={config}", "--address=127.0.0.1",
                   f"--port={port}"], port, **QUIET)


def serve_sshd(place, binary):
    port = free_port()
    keys = {}
    for name in ("host", "user"):
        keys[name] = str(place.settings / name)
        subprocess.run([tool("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", keys[name]], check=True)
    config = place.write("sshd_config", f"""Port {port}
ListenAddress 127.0.0.1
HostKey {keys["host"]}
AuthorizedKeysFile {keys["user"]}.pub
PasswordAuthentication no
UsePAM no
StrictModes no
PidFile none
Subsystem sftp internal-sftp
""")
    return Server([binary, "-D", "-e", "-f", config], port, **QUIET)


def serve_dufs(place, binary):
    port = free_port()
    return Server([binary, "-b", "127.0.0.1", "-p", str(port), "-A", "--compress", "medium", str(place.served)],
                  port, **QUIET)


class Watch(threading.Thread):
    """Looks at the memory of a process, and ends it when it takes too long. What the system itself keeps of a
    process that has ended counts the memory of its parent, too."""

    def __init__(self, pid, patience):
        super().__init__(daemon=True)
        self.pid, self.end, self.peak = pid, time.monotonic() + patience, 0.0
        self.over = threading.Event()
        self.start()

    def run(self):
        while not self.over.wait(0.02):
            self.peak = max(self.peak, peak_of(self.pid) or 0.0)
            if time.monotonic() > self.end:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.pid, signal.SIGKILL)

    def stop(self):
        self.over.set()
        self.join()


class Contestant:
    """A server and a client. `client(server, name, target)` is the command that fetches a served name."""

    def __init__(self, label, start, client):
        self.label, self.start, self.client = label, start, client
        self.server = None
        self.runs = []

    def run(self, place, name, patience):
        """One fetch: seconds of wall, of the client's and of the server's CPU, and MiB of the client."""
        target = place.got / "out"
        target.unlink(missing_ok=True)
        before = cpu_of(self.server.pid) if self.server else 0.0
        began = time.monotonic()
        process = subprocess.Popen(self.client(self.server, name, target), stdin=subprocess.DEVNULL, **QUIET)
        watch = Watch(process.pid, patience)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        watch.stop()
        if process.returncode != 0 or not target.exists():
            raise RuntimeError(f"its client ended with {process.returncode}")
        served = cpu_of(self.server.pid) - before if self.server else 0.0
        return wall, usage.ru_utime + usage.ru_stime, served, watch.peak


def fetchers(place, binary):
    """The contestants for one file."""
    def tui(server, name, target):
        return [binary, "-q", "--no-sync", "--overwrite", "-H", "127.0.0.1", "-P", str(server.port),
                "-r", name, "-l", str(target)]

    for arch in ("async", "threads", "select", "single"):
        yield Contestant(f"tui, {arch}", lambda arch=arch: serve_tui(place, binary, arch), tui)
    table = [
        ("nginx + curl", serve_nginx, "nginx", "curl", lambda client, server, name, target:
            [client, "-s", "-f", "-o", str(target), f"http://127.0.0.1:{server.port}/{name}"]),
        ("nginx + aria2", serve_nginx, "nginx", "aria2c", lambda client, server, name, target:
            [client, "-q", "--file-allocation=none", "--allow-overwrite=true", "-d", str(target.parent),
             "-o", target.name, f"http://127.0.0.1:{server.port}/{name}"]),
        ("vsftpd + lftp", serve_vsftpd, "vsftpd", "lftp", lambda client, server, name, target:
            [client, "-e", f"set xfer:clobber yes; get {name} -o {target}; bye",
             f"ftp://127.0.0.1:{server.port}/"]),
        ("rsync daemon", serve_rsync, "rsync", "rsync", lambda client, server, name, target:
            [client, "-W", f"rsync://127.0.0.1:{server.port}/m/{name}", str(target)]),
        ("scp (aes128-gcm)", serve_sshd, "sshd", "scp", lambda client, server, name, target:
            [client, "-q", "-c", "aes128-gcm@openssh.com", "-i", str(place.settings / "user"),
             "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-P", str(server.port),
             f"127.0.0.1:{place.served}/{name}", str(target)]),
        ("dufs + curl", serve_dufs, "dufs", "curl", lambda client, server, name, target:
            [client, "-s", "-f", "-o", str(target), f"http://127.0.0.1:{server.port}/{name}"]),
    ]
    for label, start, daemon, client, command in table:
        missing = [name for name in (daemon, client) if not tool(name)]
        if missing:
            print(f"skipped: {label}: {' and '.join(missing)} not installed")
            continue
        yield Contestant(label, lambda start=start, daemon=daemon: start(place, tool(daemon)),
                         lambda server, name, target, client=client, command=command:
                             command(tool(client), server, name, target))


def zippers(place, binary):
    """The contestants for a folder as a zip."""
    def tui(server, name, target):
        return [binary, "-q", "--no-sync", "--overwrite", "-H", "127.0.0.1", "-P", str(server.port),
                "-r", name, "-l", str(target)]

    for arch in ("async", "threads", "select", "single"):
        yield Contestant(f"tui, {arch}", lambda arch=arch: serve_tui(place, binary, arch), tui)
    if tool("dufs") and tool("curl"):
        yield Contestant("dufs + curl", lambda: serve_dufs(place, tool("dufs")), lambda server, name, target:
                         [tool("curl"), "-s", "-f", "-o", str(target),
                          f"http://127.0.0.1:{server.port}/{name}?zip"])
    else:
        print("skipped: dufs + curl: dufs not installed")
    if tool("zip"):
        yield Contestant("zip -r -6 (no network)", lambda: None, lambda server, name, target:
                         ["sh", "-c", 'cd "$1" && exec "$2" -q -r -6 - "$3" > "$4"', "sh", str(place.served),
                          tool("zip"), name, str(target)])
    else:
        print("skipped: zip -r -6: zip not installed")


def compare(title, contestants, place, name, size, options, check):
    """Runs the contestants in turn, as often as was asked for, and prints a table."""
    running = []
    end = time.monotonic() + options.budget
    try:
        for contestant in contestants:
            try:
                contestant.server = contestant.start()
                # The first fetch warms the page cache and is not counted.
                contestant.run(place, name, options.patience)
                check(place.got / "out")
                running.append(contestant)
            except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
                print(f"skipped: {contestant.label}: {error}")
                if contestant.server:
                    contestant.server.stop()
        for _ in range(options.runs):
            for contestant in running:
                if time.monotonic() < end or not contestant.runs:
                    contestant.runs.append(contestant.run(place, name, options.patience))
        print_table(title, running, size)
    finally:
        for contestant in running:
            if contestant.server:
                contestant.server.stop()
        (place.got / "out").unlink(missing_ok=True)


def print_table(title, contestants, size):
    if not contestants or not contestants[0].label.startswith("tui"):
        return
    print(f"\n{title}")
    print(f"{'':24}{'runs':>5}{'wall':>9}{'rate':>12}{'CPU client':>12}{'CPU server':>12}"
          f"{'wall ×':>9}{'CPU ×':>8}{'MiB client':>12}{'MiB server':>12}")
    base = None
    for contestant in contestants:
        wall, client, server, memory = (statistics.median(column) for column in zip(*contestant.runs))
        base = base or (wall, client + server)
        peak = peak_of(contestant.server.pid) if contestant.server else None
        print(f"{contestant.label:24}{len(contestant.runs):>5}{wall:>7.2f} s{size / wall / 1e6:>7.0f} MB/s"
              f"{client:>10.2f} s{server:>10.2f} s{wall / base[0]:>9.2f}{(client + server) / base[1]:>8.2f}"
              f"{memory:>12.1f}{'' if peak is None else f'{peak:>12.1f}'}")


def make_file(path, size):
    """Bytes that no disk, link or program can make smaller."""
    with open(path, "wb") as file:
        left = size
        while left > 0:
            file.write(os.urandom(min(left, 1 << 24)))
            left -= 1 << 24
        file.truncate(size)


def make_tree(root, size):
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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=2048, help="MiB of the file (default: 2048)")
    parser.add_argument("--tree", type=int, default=256, help="MiB of the folder (default: 256)")
    parser.add_argument("--runs", type=int, default=5, help="counted runs of each (default: 5)")
    parser.add_argument("--patience", type=int, default=120, help="seconds for one run at most (default: 120)")
    parser.add_argument("--budget", type=int, default=600, help="seconds for one table, about (default: 600)")
    parser.add_argument("--tui", default=str(PROJECT / "target/release/tui"), help="the binary")
    parser.add_argument("--dir", help="where to work: twice the size must fit (default: the temporary folder)")
    options = parser.parse_args()
    if not Path(options.tui).exists():
        subprocess.run(["cargo", "build", "--release", "--locked"], cwd=PROJECT, check=True)
    # The home folder of whoever runs this has settings; a benchmark has its own.
    with tempfile.TemporaryDirectory(prefix="fdsp-peers-", dir=options.dir) as root:
        place = Place(root)
        os.environ["XDG_CONFIG_HOME"] = os.environ["XDG_STATE_HOME"] = str(place.settings)
        size = options.size << 20
        if shutil.disk_usage(root).free < 2 * size + (64 << 20):
            sys.exit(f"there is no room for twice {options.size} MiB in {root}: use --dir or --size")
        make_file(place.served / "file.bin", size)

        def same(path):
            if not filecmp.cmp(path, place.served / "file.bin", shallow=False):
                raise RuntimeError("what came is not what was served")

        title = f"One file of {options.size} MiB, to disk, nothing waits for the disk"
        compare(title, list(fetchers(place, options.tui)), place, "file.bin", size, options, same)
        (place.served / "file.bin").unlink()
        total = make_tree(place.served / "tree", options.tree << 20)

        def is_zip(path):
            if subprocess.run([sys.executable, "-m", "zipfile", "-t", str(path)], **QUIET).returncode != 0:
                raise RuntimeError("what came is no sound zip")

        title = f"A folder of {total >> 20} MiB in 2,048 files as a zip (half text, half noise)"
        compare(title, list(zippers(place, options.tui)), place, "tree", total, options, is_zip)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
