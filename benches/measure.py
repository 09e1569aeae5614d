"""What the comparisons share: processes that are started, watched and stopped, and tables of what they took."""

import contextlib
import os
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
TICKS = os.sysconf("SC_CLK_TCK")


def tool(name):
    """The path of a program; those of daemons are not always in PATH."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/sbin")


def raise_descriptor_limit(wanted):
    """Lets this process and those that it starts have `wanted` descriptors. Ends the program if the system does not allow it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < wanted:
        sys.exit(f"{wanted} file descriptors are needed, and the limit is {most}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


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

    def run(self, place, work, patience):
        """One fetch: seconds of wall, of the client's and of the server's CPU, and MiB of the client."""
        target = place.got / "out"
        remove(target)
        work.prepare(target)
        before = cpu_of(self.server.pid) if self.server else 0.0
        command = self.client(self.server, work.name, target)
        began = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, **QUIET)
        watch = Watch(process.pid, patience)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        watch.stop()
        if process.returncode != 0 or not target.exists():
            raise RuntimeError(f"its client ended with {process.returncode}")
        served = cpu_of(self.server.pid) - before if self.server else 0.0
        return wall, usage.ru_utime + usage.ru_stime, served, watch.peak


class Work:
    """What is fetched: a served name, how many bytes that is, what is there before, and what must be there after."""

    def __init__(self, title, name, size, check, prepare=lambda target: None):
        self.title, self.name, self.size = title, name, size
        self.check, self.prepare = check, prepare


def remove(path):
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def compare(work, contestants, place, options):
    """Runs the contestants in turn, as often as was asked for, and prints a table."""
    running = []
    end = time.monotonic() + options.budget
    try:
        for contestant in contestants:
            try:
                contestant.server = contestant.start()
                # The first fetch warms the page cache and is not counted.
                contestant.run(place, work, options.patience)
                work.check(place.got / "out")
                running.append(contestant)
            except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
                print(f"skipped: {contestant.label}: {error}")
                if contestant.server:
                    contestant.server.stop()
        for _ in range(options.runs):
            for contestant in running:
                if time.monotonic() < end or not contestant.runs:
                    contestant.runs.append(contestant.run(place, work, options.patience))
        print_table(work.title, running, work.size)
    finally:
        for contestant in running:
            if contestant.server:
                contestant.server.stop()
        remove(place.got / "out")


def print_table(title, contestants, size):
    if not contestants or not contestants[0].label.startswith("tui"):
        return
    print(f"\n{title}", flush=True)
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
