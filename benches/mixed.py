#!/usr/bin/env python3
"""What each client makes of a file that changes on the server between two attempts.

The server sends the first half of a version and breaks the connection; then the file changes, and the client is started again
to resume. What is there afterwards is compared with both versions:

    old, new    all of one version
    MIXED       the beginning of one and the end of the other
    part        not complete

and the exit code says what the client has reported. The table is printed as Markdown. A client that is not installed is left out.

Listens on loopback only, on free ports; stops what it starts, by process id.
"""

import argparse
import email.utils
import http.server
import os
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
SIZE = 8 << 20
# How long a client may take.
LIMIT = 120


class Server(http.server.ThreadingHTTPServer):
    """Serves one file, which can change."""

    daemon_threads = True

    def __init__(self, validator):
        super().__init__(("127.0.0.1", 0), Handler)
        self.validator = validator
        self.versions = [os.urandom(SIZE), os.urandom(SIZE)]
        self.current = 0
        self.breaks = True
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/file.bin"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer(False)

    def do_GET(self):
        self.answer(True)

    def answer(self, has_body):
        server = self.server
        content = server.versions[server.current]
        tag = f'"v{server.current}"'
        modified = email.utils.formatdate(1_700_000_000 + 100_000 * server.current, usegmt=True)
        start, end, status = 0, SIZE, 200
        condition = self.headers.get("If-Range")
        validators = {"etag": [tag, modified], "date": [modified], "none": []}[server.validator]
        asked = self.headers.get("Range", "")
        if asked.startswith("bytes=") and (condition is None or condition in validators):
            first, last = asked[6:].split(",")[0].split("-")
            start = int(first) if first else SIZE - int(last)
            end = min(SIZE, int(last) + 1) if first and last else SIZE
            if start >= SIZE:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{SIZE}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            status = 206
        self.send_response(status)
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{SIZE}")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(end - start))
        if server.validator == "etag":
            self.send_header("ETag", tag)
        if server.validator in ("etag", "date"):
            self.send_header("Last-Modified", modified)
        self.end_headers()
        if not has_body:
            return
        body = content[start:end]
        try:
            if server.breaks and end > SIZE // 2:
                self.wfile.write(body[: max(0, SIZE // 2 - start)])
                self.wfile.flush()
                self.close_connection = True
                self.connection.shutdown(2)
                return
            self.wfile.write(body)
        except OSError:
            self.close_connection = True


def clients(tui):
    """The commands of each client for its first start and for the one that resumes."""
    def same(*command):
        return (command, command)
    return {
        "curl -C -": same("curl", "-sS", "-C", "-", "-o", "file.bin", "URL"),
        "wget -c": same("wget", "-q", "-c", "--tries=1", "URL"),
        "aria2c -c": same("aria2c", "-q", "-c", "-x4", "--max-tries=1", "--allow-overwrite=false", "URL"),
        "tui": same(tui, "--headless", "--quiet", "--retries", "0", "--proxy", "none", "-d", ".", "URL"),
    }


def kind(path, versions):
    """What is in a file."""
    if not path.exists():
        return "none"
    content = path.read_bytes()
    for name, version in zip(("old", "new"), versions):
        if content == version:
            return name
    if len(content) < SIZE:
        return "part"
    return "MIXED"


def attempt(server, commands, folder):
    environment = {**os.environ, "HOME": str(folder), "XDG_STATE_HOME": str(folder / "state"), "no_proxy": "*"}
    run = lambda command: subprocess.run(
        [server.url if word == "URL" else word for word in command],
        cwd=folder, env=environment, timeout=LIMIT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ).returncode
    server.current, server.breaks = 0, True
    first = run(commands[0])
    server.current, server.breaks = 1, False
    second = run(commands[1])
    found = kind(folder / "file.bin", server.versions)
    # A client may fail once because the file has changed, and is started again.
    third = run(commands[1]) if second != 0 else None
    after = kind(folder / "file.bin", server.versions) if third is not None else found
    return first, second, found, third, after


def cell(result):
    _, second, found, third, after = result
    text = f"{found}, exit {second}"
    return text if third is None else f"{text}; then {after}, exit {third}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tui", default=PROJECT / "target/release/tui", type=Path, help="the program")
    options = parser.parse_args()
    tui = str(options.tui.resolve())
    validators = {"etag": "strong ETag", "date": "Last-Modified", "none": "neither"}
    print("| client | " + " | ".join(validators.values()) + " |")
    print("|---|" + "---|" * len(validators))
    for name, commands in clients(tui).items():
        if shutil.which(commands[0][0]) is None:
            print(f"{name}: not installed", flush=True)
            continue
        cells = []
        for validator in validators:
            server = Server(validator)
            with tempfile.TemporaryDirectory() as folder:
                cells.append(cell(attempt(server, commands, Path(folder))))
            server.shutdown()
            server.server_close()
        print(f"| `{name}` | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
