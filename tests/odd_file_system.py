"""A file system in memory that refuses what some file systems refuse, for as long as a command runs.

usage: unshare -rm python3 odd_file_system.py DIR RULE[,RULE...] COMMAND [ARGUMENT...]

It is mounted at DIR through /dev/fuse; the command's exit code is this program's, and 77 says that it cannot be mounted here.
Rules: fold (names that differ in case are one), refuse=CHARACTERS (in names), name-max=BYTES, no-links, no-fsync, no-chmod,
statfs-zero, keep-open (a deleted file keeps a name until it is closed), stall=NAME (the content of that file is not delivered
before there is a file `go`; the file `stalled` is there once it was asked for).
"""
import ctypes
import errno
import os
import stat
import struct
import subprocess
import sys
import threading
import time
import traceback

LOOKUP, FORGET, GETATTR, SETATTR, READLINK, SYMLINK = 1, 2, 3, 4, 5, 6
MKDIR, UNLINK, RMDIR, RENAME, LINK, OPEN, READ, WRITE, STATFS, RELEASE = 9, 10, 11, 12, 13, 14, 15, 16, 17, 18
FSYNC, FLUSH, INIT, OPENDIR, READDIR, RELEASEDIR, FSYNCDIR = 20, 25, 26, 27, 28, 29, 30
ACCESS, CREATE, INTERRUPT, BATCH_FORGET, RENAME2, SYNCFS = 34, 35, 36, 42, 45, 50
NOREPLACE, EXCHANGE = 1, 2


class Refused(Exception):
    """The error number of a request that is refused."""


class Node:
    def __init__(self, number, mode):
        self.number, self.mode, self.links, self.open = number, mode, 1, 0
        self.content = {} if stat.S_ISDIR(mode) else bytearray()
        self.modified = self.changed = time.time_ns()
        self.hidden = None


class FileSystem:
    def __init__(self, rules):
        self.rules = dict(rule.partition("=")[::2] for rule in rules.split(","))
        self.nodes = {1: Node(1, stat.S_IFDIR | 0o755)}
        self.next, self.hidden = 2, 0
        self.stalled = []

    def key(self, name):
        return name.decode("utf-8", "surrogateescape").lower().encode("utf-8", "surrogateescape") if "fold" in self.rules else name

    def check(self, name):
        if len(name) > int(self.rules.get("name-max", 255)):
            raise Refused(errno.ENAMETOOLONG)
        if any(character in name for character in self.rules.get("refuse", "").encode()):
            raise Refused(errno.EINVAL)

    def find(self, parent, name):
        self.check(name)
        entry = self.nodes[parent].content.get(self.key(name))
        if entry is None:
            raise Refused(errno.ENOENT)
        return self.nodes[entry[1]]

    def touch(self, node):
        node.changed = time.time_ns()
        return node

    def add(self, parent, name, mode):
        self.check(name)
        directory = self.nodes[parent]
        if self.key(name) in directory.content:
            raise Refused(errno.EEXIST)
        node = self.nodes[self.next] = Node(self.next, mode)
        self.next += 1
        directory.content[self.key(name)] = (name, node.number)
        directory.modified = time.time_ns()
        return node

    def remove(self, parent, name):
        node = self.find(parent, name)
        if stat.S_ISDIR(node.mode) and node.content:
            raise Refused(errno.ENOTEMPTY)
        directory = self.nodes[parent]
        shown, _ = directory.content.pop(self.key(name))
        directory.modified = time.time_ns()
        if "keep-open" in self.rules and node.open:
            self.hidden += 1
            name = b".kept%08d" % self.hidden
            directory.content[name] = (name, node.number)
            node.hidden = directory, name
        else:
            self.touch(node).links -= 1
        return shown

    def rename(self, parent, name, to, new, flags):
        node = self.find(parent, name)
        self.check(new)
        there = self.nodes[to].content.get(self.key(new))
        if flags & EXCHANGE:
            other = self.find(to, new)
            self.nodes[parent].content[self.key(name)] = (name, other.number)
            self.nodes[to].content[self.key(new)] = (new, node.number)
            return
        if there and there[1] != node.number:
            if flags & NOREPLACE:
                raise Refused(errno.EEXIST)
            self.remove(to, new)
        self.nodes[parent].content.pop(self.key(name))
        self.nodes[to].content[self.key(new)] = (new, node.number)
        self.touch(node)

    def attributes(self, node):
        size = 4096 if isinstance(node.content, dict) else len(node.content)
        times = [node.modified, node.modified, node.changed]
        seconds, rest = [t // 10**9 for t in times], [t % 10**9 for t in times]
        return struct.pack(
            "<QQQQQQ10I", node.number, size, (size + 511) // 512, *seconds, *rest,
            node.mode, max(node.links, 0), 0, 0, 0, 4096, 0,
        )

    def entry(self, node):
        return struct.pack("<QQQQII", node.number, 0, 0, 0, 0, 0) + self.attributes(node)

    def attr(self, node):
        return struct.pack("<QII", 0, 0, 0) + self.attributes(node)

    def answer(self, code, number, body):
        node = self.nodes.get(number)
        if code == INIT:
            return struct.pack("<IIIIHHIIHHIIII", 7, 31, 65536, 0, 16, 12, 131072, 1, 32, 0, 0, 0, 0, 0) + bytes(16)
        if code == STATFS:
            free = 0 if "statfs-zero" in self.rules else 1 << 20
            blocks = 0 if "statfs-zero" in self.rules else 1 << 21
            return struct.pack("<QQQQQIIII", blocks, free, free, free, free, 4096, int(self.rules.get("name-max", 255)), 4096, 0) + bytes(24)
        if node is None:
            raise Refused(errno.ESTALE)
        if code == LOOKUP:
            return self.entry(self.find(number, body[:-1]))
        if code == GETATTR:
            return self.attr(node)
        if code == SETATTR:
            valid, _, _, size, _, _, modified = struct.unpack_from("<IIQQQQQ", body)
            mode = struct.unpack_from("<I", body, 68)[0]
            if valid & 1:
                if "no-chmod" in self.rules:
                    raise Refused(errno.EPERM)
                node.mode = stat.S_IFMT(node.mode) | stat.S_IMODE(mode)
            if valid & 8:
                node.content[size:] = bytes(max(0, size - len(node.content)))
                node.modified = time.time_ns()
            if valid & 32:
                nanoseconds = struct.unpack_from("<I", body, 60)[0]
                node.modified = time.time_ns() if valid & 256 else modified * 10**9 + nanoseconds
            return self.attr(self.touch(node))
        if code == READLINK:
            return bytes(node.content)
        if code == SYMLINK:
            if "no-links" in self.rules:
                raise Refused(errno.EPERM)
            name, target, _ = body.split(b"\0", 2)
            link = self.add(number, name, stat.S_IFLNK | 0o777)
            link.content += target
            return self.entry(link)
        if code == MKDIR:
            return self.entry(self.add(number, body[8:-1], stat.S_IFDIR | struct.unpack_from("<I", body)[0] & 0o777))
        if code in (UNLINK, RMDIR):
            self.remove(number, body[:-1])
            return b""
        if code in (RENAME, RENAME2):
            to, flags = struct.unpack_from("<QI", body + bytes(4))
            skip = 16 if code == RENAME2 else 8
            name, new, _ = body[skip:].split(b"\0", 2)
            self.rename(number, name, to, new, flags if code == RENAME2 else 0)
            return b""
        if code in (OPEN, OPENDIR):
            node.open += 1
            if code == OPEN and struct.unpack_from("<I", body)[0] & os.O_TRUNC:
                node.content[:] = b""
            return struct.pack("<QII", 0, 0, 0)
        if code == CREATE:
            made = self.add(number, body[16:-1], stat.S_IFREG | struct.unpack_from("<4I", body)[1] & 0o777)
            made.open += 1
            return self.entry(made) + struct.pack("<QII", 0, 0, 0)
        if code == READ:
            _, offset, size = struct.unpack_from("<QQI", body)
            return bytes(node.content[offset:offset + size])
        if code == WRITE:
            _, offset, size = struct.unpack_from("<QQI", body)
            if len(node.content) < offset:
                node.content += bytes(offset - len(node.content))
            node.content[offset:offset + size] = body[40:40 + size]
            node.modified = node.changed = time.time_ns()
            return struct.pack("<II", size, 0)
        if code in (RELEASE, RELEASEDIR):
            node.open -= 1
            if node.open == 0 and node.hidden:
                directory, name = node.hidden
                directory.content.pop(name, None)
            return b""
        if code in (FSYNC, FSYNCDIR) and "no-fsync" in self.rules:
            raise Refused(errno.EINVAL)
        if code in (FSYNC, FSYNCDIR, FLUSH, ACCESS, SYNCFS):
            return b""
        if code == READDIR:
            _, offset, size = struct.unpack_from("<QQI", body)
            entries = [(b".", 1), (b"..", 1), *node.content.values()]
            out = b""
            for index, (name, inode) in enumerate(entries[offset:], offset + 1):
                kind = stat.S_IFMT(self.nodes[inode].mode) >> 12
                one = struct.pack("<QQII", inode, index, len(name), kind) + name
                one += bytes(-len(one) % 8)
                if len(out) + len(one) > size:
                    break
                out += one
            return out
        raise Refused(errno.ENOSYS)

    def is_stalled(self, code, number):
        names = self.nodes[1].content
        stalls = names.get(self.rules.get("stall", "").encode())
        if code != READ or not stalls or stalls[1] != number or b"go" in names:
            return False
        if b"stalled" not in names:
            self.add(1, b"stalled", stat.S_IFREG | 0o644)
        return True

    def serve(self, device):
        while True:
            if b"go" in self.nodes[1].content:
                for request in self.stalled:
                    self.reply(device, request)
                self.stalled.clear()
            try:
                request = os.read(device, 1 << 18)
            except OSError as error:
                if error.errno in (errno.EINTR, errno.ENOENT):
                    continue
                return
            _, code, _, number = struct.unpack_from("<IIQQ", request)
            if self.is_stalled(code, number):
                self.stalled.append(request)
            elif code not in (FORGET, BATCH_FORGET, INTERRUPT):
                self.reply(device, request)

    def reply(self, device, request):
        _, code, unique, number = struct.unpack_from("<IIQQ", request)
        try:
            error, answer = 0, self.answer(code, number, request[40:])
        except Refused as refused:
            error, answer = -refused.args[0], b""
        except Exception:
            # Without an answer the program that asked would wait for ever.
            traceback.print_exc()
            error, answer = -errno.EIO, b""
        try:
            os.write(device, struct.pack("<IiQ", 16 + len(answer), error, unique) + answer)
        except OSError:
            pass  # The request was interrupted.


def main():
    directory, rules, command = sys.argv[1], sys.argv[2], sys.argv[3:]
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        device = os.open("/dev/fuse", os.O_RDWR)
    except OSError:
        sys.exit(77)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
    if libc.mount(b"odd", directory.encode(), b"fuse", 6, options) != 0:
        sys.exit(77)
    threading.Thread(target=FileSystem(rules).serve, args=(device,), daemon=True).start()
    code = subprocess.call(command)
    libc.umount2(directory.encode(), 2)
    sys.exit(code)


if __name__ == "__main__":
    main()
