"""The servers of the peer comparison, each on a free loopback port and with nothing set up beforehand."""

import getpass
import json
import os
import subprocess
import time
from pathlib import Path

from measure import QUIET, Server, free_port, remove, tool


def first_event(server, path):
    end = time.monotonic() + 10
    while time.monotonic() < end and server.process.poll() is None:
        line, complete, _ = path.read_text().partition("\n")
        if complete:
            return json.loads(line)
        time.sleep(0.01)
    raise RuntimeError("the server did not say where it listens")


def serve_tui(place, binary, *options):
    """This program; `address` is what it prints for its clients."""
    # Into a file: whoever read a pipe would take a part of the processors for it.
    with open(place.settings / "events", "wb") as events:
        server = Server([binary, "--serve", "--json", "-P", "0", "--public", *options, str(place.served)],
                        stdout=events, stderr=subprocess.DEVNULL)
    listening = first_event(server, place.settings / "events")
    server.port, server.address = listening["port"], listening["address"]
    return server


def address_of(server, name):
    """The address of something that this program serves, with the pin, if its server has one."""
    address, separator, pin = server.address.partition("#")
    return f"{address.rstrip('/')}/{name}{separator}{pin}"


def serve_nginx(place, binary, tls=False):
    port = free_port()
    temporary = "".join(f"{kind}_temp_path {place.settings}/{kind};\n"
                        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    secure = ""
    if tls:
        certificate, key = (str(place.settings / f"nginx.{end}") for end in ("crt", "key"))
        subprocess.run([tool("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                        "-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", key, "-out", certificate],
                       check=True, **QUIET)
        secure = f"ssl_protocols TLSv1.3; ssl_certificate {certificate}; ssl_certificate_key {key};"
    config = place.write("nginx.conf", f"""
        daemon off; pid {place.settings}/nginx.pid; worker_processes 1; error_log stderr;
        {"user root;" if os.geteuid() == 0 else ""}
        events {{ }}
        http {{ access_log off; sendfile on; tcp_nopush on; {temporary} {secure}
                server {{ listen 127.0.0.1:{port} {"ssl" if tls else ""}; root {place.served}; }} }}""")
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
    # A daemon that root starts reads files as nobody.
    user = "uid = root\ngid = root\n" if os.geteuid() == 0 else ""
    config = place.write("rsyncd.conf", f"use chroot = no\n{user}[m]\npath = {place.served}\nread only = yes\n")
    return Server([binary, "--daemon", "--no-detach", f"--config={config}", "--address=127.0.0.1",
                   f"--port={port}"], port, **QUIET)


def serve_sshd(place, binary):
    port = free_port()
    keys = {}
    for name in ("host", "user"):
        keys[name] = str(place.settings / name)
        for old in (keys[name], keys[name] + ".pub"):
            remove(Path(old))
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
