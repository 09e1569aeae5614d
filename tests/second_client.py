"""A second implementation of the client, written from the documentation of src/protocol/mod.rs alone.

Standard library only, so that its BLAKE3 is a slow one of its own. Each command is one request; all of
them are sent before the first answer is read. Every answer is printed as one line of JSON.

    second_client.py ADDRESS COMMAND...

ADDRESS is fdsp+plain://[TOKEN@]HOST:PORT/ or fdsp://[TOKEN@]HOST:PORT/#PIN; without a pin no server is believed.

    stat:PATH              list:PATH[:LIMIT[:AFTER]]      tree:PATH
    hashes:PATH[:FIRST[:BLOCKS[:IDENTITY]]]
    get:PATH:FILE[:FIRST[:BLOCKS[:IDENTITY]]]             the content goes to FILE
    root:PATH[:FIRST[:BLOCKS]]                            the same without a file, and with the root of the whole
    rest:PATH:FILE                                        the rest of the block, or content, of which FILE has the begin
    files:PATH:FOLDER:FILE[=DIGEST]...                    the files go into FOLDER, by their numbers
    compare:PATH:FILE[=DIGEST]...                         the same without content
    reserved:              a request of the reserved kind
    violate:               a frame of an unknown kind
"""

import hashlib
import hmac
import json
import os
import socket
import ssl
import struct
import sys
import tempfile
import urllib.parse

MIB = 1 << 20
PREAMBLE = b"\0FDSP\x01\x01\0"
HELLO, STAT, LIST, GET, HASHES, TREE, FILES, RESERVED, GOODBYE = 1, 2, 3, 4, 5, 6, 7, 8, 0x0F
WELCOME, META, ENTRIES, CONTENT, VALUES, PAGE = 0x81, 0x82, 0x83, 0x84, 0x85, 0x86
FILE, DONE, SAME, DIFFERS, MISSED, WORKING = 0x87, 0x88, 0x89, 0x8A, 0x8B, 0x8C
DATA, BLOCK, END, ERROR = 0x90, 0x91, 0x92, 0x9F
LIMITS = {DATA: 256 * 1024, BLOCK: 48, DONE: 32, SAME: 0, DIFFERS: 0, WORKING: 0}


# BLAKE3, from its paper.

IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
CHUNK_START, CHUNK_END, PARENT, ROOT = 1, 2, 4, 8
PERMUTATION = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
MIXES = (
    (0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
    (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14),
)
SCHEDULE = [tuple(range(16))]
while len(SCHEDULE) < 7:
    SCHEDULE.append(tuple(SCHEDULE[-1][i] for i in PERMUTATION))


def compress(cv, words, counter, length, flags):
    m32 = 0xFFFFFFFF
    v = list(cv) + list(IV[:4]) + [counter & m32, counter >> 32, length, flags]
    for order in SCHEDULE:
        at = 0
        for a, b, c, d in MIXES:
            va, vb, vc, vd = v[a], v[b], v[c], v[d]
            va = (va + vb + words[order[at]]) & m32
            vd ^= va
            vd = (vd >> 16) | (vd << 16) & m32
            vc = (vc + vd) & m32
            vb ^= vc
            vb = (vb >> 12) | (vb << 20) & m32
            va = (va + vb + words[order[at + 1]]) & m32
            vd ^= va
            vd = (vd >> 8) | (vd << 24) & m32
            vc = (vc + vd) & m32
            vb ^= vc
            v[a], v[b], v[c], v[d] = va, (vb >> 7) | (vb << 25) & m32, vc, vd
            at += 2
    return tuple(v[i] ^ v[i + 8] for i in range(8))


def node(data, chunk):
    """The topmost node over data whose first chunk has this number: the arguments of its compression."""
    if len(data) <= 1024:
        cv, flags = IV, CHUNK_START
        for at in range(0, max(len(data), 1), 64):
            piece = data[at:at + 64]
            words = struct.unpack("<16I", piece.ljust(64, b"\0"))
            if at + 64 >= len(data):
                return cv, words, chunk, len(piece), flags | CHUNK_END
            cv, flags = compress(cv, words, chunk, 64, flags), 0
    left = 1024 << (((len(data) - 1) // 1024).bit_length() - 1)
    return join(compress(*node(data[:left], chunk)), compress(*node(data[left:], chunk + left // 1024)))


def join(left, right):
    return IV, left + right, 0, 64, PARENT


def digest(words):
    return struct.pack("<8I", *words)


def root_of(topmost):
    cv, words, counter, length, flags = topmost
    return digest(compress(cv, words, counter, length, flags | ROOT))


def tree(values):
    """The topmost node over the chaining values of blocks."""
    left = 1 << ((len(values) - 1).bit_length() - 1)
    sides = [side[0] if len(side) == 1 else compress(*tree(side)) for side in (values[:left], values[left:])]
    return join(*sides)


# The protocol.


class Violation(Exception):
    """The server broke the protocol."""


def check(right, what):
    if not right:
        raise Violation(what)


class Connection:
    def __init__(self, address):
        parts = urllib.parse.urlsplit(address)
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=60)
        self.proves = False
        if parts.scheme == "fdsp":
            self.secure(parts.hostname, parts.fragment)
        self.number = 0
        self.waiting = []
        self.socket.sendall(PREAMBLE)
        hello = {"agent": "second_client.py", "unknown": [None]}
        if parts.username and self.proves:
            nonce = os.urandom(32)
            proven = b"fdsp/1 token" + hashlib.sha256(self.certificate).digest() + nonce
            proof = hmac.new(parts.username.encode(), proven, "sha256")
            hello.update(nonce=nonce.hex(), token_proof=proof.hexdigest())
        elif parts.username:
            hello["token"] = parts.username
        self.send(HELLO, 0, hello)

    def secure(self, host, pin):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # the pin decides
        context.set_alpn_protocols(["fdsp/1-proof", "fdsp/1"])
        self.socket = context.wrap_socket(self.socket, server_hostname=host, suppress_ragged_eofs=False)
        selected = self.socket.selected_alpn_protocol()
        check(selected in ("fdsp/1-proof", "fdsp/1"), "another protocol inside of TLS")
        self.proves = selected == "fdsp/1-proof"
        self.certificate = self.socket.getpeercert(binary_form=True)
        check("sha256:" + hashlib.sha256(self.certificate).hexdigest() == pin, "another certificate")

    def send(self, kind, request, message):
        payload = json.dumps(message).encode()
        self.socket.sendall(struct.pack("<BBHII", kind, 0, 0, len(payload), request) + payload)

    def request(self, kind, message, out=None):
        self.number += 1
        self.waiting.append((kind, self.number, message, out))
        self.send(kind, self.number, message)

    def read(self, count):
        got = b""
        while len(got) < count:
            more = self.socket.recv(count - len(got))
            check(more, "lost")
            got += more
        return got

    def frame(self):
        kind, flags, reserved, length, request = struct.unpack("<BBHII", self.read(12))
        check(flags == 0 and reserved == 0, "reserved bytes")
        check(length <= LIMITS.get(kind, 64 * 1024), "too long")
        return kind, request, self.read(length)

    def message(self, kind, request):
        """A control frame of this kind for this request; an error is raised."""
        got, number, payload = self.frame()
        while got == WORKING and number == request:
            asked = next(message for _, number, message, _ in self.waiting if number == request)
            check(kind in (ENTRIES, CONTENT, PAGE) and asked.get("working"), "work that was not asked for")
            got, number, payload = self.frame()
        if got == ERROR and number in (0, request):
            raise Failed(number, json.loads(payload))
        check((got, number) == (kind, request), "unexpected frame %#x for %d" % (got, number))
        return json.loads(payload)

    def greet(self):
        preamble = self.read(8)
        check(preamble == PREAMBLE, "not the preamble: %r" % preamble)
        return self.message(WELCOME, 0)

    def answer(self, kind, request, message, out):
        if kind == STAT:
            return {"meta": self.message(META, request)}
        if kind == LIST:
            page = self.message(ENTRIES, request)
            names = [entry["name"].encode() for entry in page["entries"]]
            check(names == sorted(names), "not sorted")
            return {"entries": page}
        if kind == GET:
            with open(out, "r+b" if "skip" in message else "w+b") if out else tempfile.TemporaryFile() as file:
                return self.content(request, message, file)
        if kind == HASHES:
            return self.hashes(request, message)
        if kind == TREE:
            return self.tree(request)
        if kind == FILES:
            return {"files": list(self.files(request, message, out))}
        return {"unexpected": self.message(kind | 0x80, request)}

    def announced(self, kind, request, asked):
        content = self.message(CONTENT, request)
        first = asked.get("first_block", 0)
        check(content["first_block"] == first, "another first block")
        check(content["form"] == "zip" or "size" in content, "a file without a size")
        check(asked.get("identity", content["identity"]) == content["identity"], "another identity")
        skip = asked.get("skip", 0) if kind == GET else 0
        check(content.get("skip", 0) in (0, skip), "another skip")
        return content, first

    def hashes(self, request, asked):
        content, first = self.announced(HASHES, request, asked)
        check(content["form"] == "file", "hashes of an archive")
        blocks, values = -(-content["size"] // MIB), []
        kind, number, payload = self.frame()
        while kind == VALUES:
            check(number == request and len(payload) > 8 and len(payload) % 32 == 8, "no values")
            check(struct.unpack("<Q", payload[:8])[0] == first + len(values), "hashes out of order")
            values += [payload[at:at + 32] for at in range(8, len(payload), 32)]
            kind, number, payload = self.frame()
        if kind == ERROR:
            raise Failed(request, json.loads(payload))
        check(kind == END and number == request, "unexpected frame %#x" % kind)
        end = json.loads(payload)
        check(end["identity"] == content["identity"], "another identity at the end")
        check(len(values) == min(blocks - first, asked.get("blocks", blocks)), "another number of hashes")
        check(end.get("size") == (content["size"] if first + len(values) == blocks else None), "another size")
        check(("root" in end) == (first == 0 and "size" in end), "a root of a part, or none of the whole")
        if "root" in end and len(values) != 1:
            words = [struct.unpack("<8I", value) for value in values]
            root = root_of(tree(words)) if words else root_of(node(b"", 0))
            check(root.hex() == end["root"], "another root")
        return {"content": content, "end": end, "hashes": [value.hex() for value in values]}

    def tree(self, request):
        entries, kinds, more = [], {}, True
        while more:
            page = self.message(PAGE, request)
            more = page["more"]
            check(page["entries"] or (entries and not more), "an empty page")
            check(("totals" in page) != more, "totals before the last page, or none on it")
            entries += page["entries"]
        for entry in entries:
            path, segments = entry["path"], entry["path"].split("/")
            if not kinds:
                check(path == "" and entry["kind"] == "directory", "no directory to begin with")
            else:
                check(not {"", ".", ".."} & set(segments) and "\0" not in path, "no path: %r" % path)
                check(kinds.get("/".join(segments[:-1])) == "directory", "no directory for %r" % path)
            check(("size" in entry) == ("identity" in entry) == (entry["kind"] == "file"), "a file without a size")
            check(("target" in entry) == (entry["kind"] == "link"), "a link without a target")
            if "target" in entry:
                parts = [part for part in entry["target"].split("/") if part not in ("", ".")]
                up = len([part for part in parts if part == ".."])
                check(entry["target"][:1] not in ("", "/") and up < len(segments), "a link that leads out")
                check(".." not in parts[up:], "a link that may lead out")
            check(path not in kinds, "twice: %r" % path)
            kinds[path] = entry["kind"]
        order = [[segment.encode() for segment in path.split("/") if segment] for path in kinds]
        check(order == sorted(order), "not sorted")
        found = list(kinds.values())
        sums = {"bytes": sum(entry.get("size", 0) for entry in entries), "files": found.count("file"),
                "directories": found.count("directory"), "links": found.count("link")}
        check(sums.items() <= page["totals"].items(), "other totals")
        return {"entries": entries, "totals": page["totals"]}

    def files(self, request, asked, folder):
        """What became of each file, in their order."""
        for index, wanted in enumerate(asked["files"]):
            kind = WORKING
            while kind == WORKING:
                kind, number, payload = self.frame()
                check(number == request or (kind, number) == (ERROR, 0), "another request")
            if kind == FILE:
                check(asked.get("content", True), "content that was not asked for")
                head = json.loads(payload)
                with open("%s/%d" % (folder, index), "wb") as file:
                    kind, payload, root, _ = self.blocks(request, 0, file, (DONE, MISSED))
                    size = file.tell()
                if kind == DONE:
                    check(size == head["size"], "another size")
                    check(payload == root, "another root")
                    yield {"file": head, "root": root.hex()}
            elif kind == SAME:
                check("digest" in wanted, "nothing to be the same")
                yield "same"
            elif kind == DIFFERS:
                check(not asked.get("content", True), "no content where it was asked for")
                yield "differs"
            if kind == MISSED:
                yield {"missed": json.loads(payload)}
            elif kind == ERROR:
                raise Failed(number, json.loads(payload))
            else:
                check(kind in (FILE, DONE, SAME, DIFFERS), "unexpected frame %#x" % kind)
        self.message(END, request)

    def content(self, request, asked, file):
        content, first = self.announced(GET, request, asked)
        begun = file.read() if content.get("skip") else b""
        # The block is written whole once it is verified.
        file.seek(0)
        file.truncate()
        kind, payload, root, positions = self.blocks(request, first, file, (END,), begun)
        end = json.loads(payload)
        check(end["identity"] == content["identity"], "another identity at the end")
        size = first * MIB + file.tell()
        check(end.get("size", size) == size, "another size")
        if first == 0 and "size" in end:
            check(root.hex() == end["root"], "another root")
        elif "root" in end:
            check(asked.get("root"), "a root of a part")
            check(len(bytes.fromhex(end["root"])) == 32, "an invalid root")
        return {"content": content, "end": end, "positions": positions[1:]}

    def blocks(self, request, first, file, ends, begun=b""):
        """Blocks up to a frame of one of these kinds; the root is that of a content that begins with block 0."""
        values, positions, index, block, alone = [], [0], first, begun, None
        while True:
            kind, number, payload = self.frame()
            check(number == request, "another request")
            if kind == DATA:
                check(payload, "no data")
                block += payload
                check(len(block) <= MIB, "a block that is too long")
            elif kind == BLOCK:
                mark, position = struct.unpack("<QQ", payload[:16])
                check(block and mark == index, "a block out of order")
                check(position >= positions[-1], "a position that falls")
                topmost = node(block, index * 1024)
                value = compress(*topmost)
                check(digest(value) == payload[16:], "block %d is corrupt" % index)
                if index == 0:
                    alone = root_of(topmost)
                file.write(block)
                values.append(value)
                positions.append(position)
                index, block = index + 1, b""
            elif kind == ERROR:
                raise Failed(request, json.loads(payload))
            else:
                check(kind in ends and (kind == MISSED or not block), "unexpected frame %#x" % kind)
                break
        root = root_of(tree(values)) if len(values) > 1 else alone or root_of(node(b"", 0))
        return kind, payload, root, positions


class Failed(Exception):
    """The server answered with an error."""

    def __init__(self, request, failure):
        super().__init__(failure["message"])
        self.request, self.failure = request, failure


def ask(connection, command):
    name, *arguments = command.split(":")
    path = arguments[0]
    if name == "stat":
        connection.request(STAT, {"path": path})
    elif name == "list":
        members = dict(zip(("limit", "after"), arguments[1:]))
        if "limit" in members:
            members["limit"] = int(members["limit"])
        connection.request(LIST, {"path": path, "working": True, **members})
    elif name == "get":
        members = dict(zip(("first_block", "blocks", "identity"), arguments[2:]))
        for number in ("first_block", "blocks"):
            if number in members:
                members[number] = int(members[number])
        connection.request(GET, {"path": path, "working": True, **members}, arguments[1])
    elif name == "root":
        members = {member: int(number) for member, number in zip(("first_block", "blocks"), arguments[1:])}
        connection.request(GET, {"path": path, "root": True, **members})
    elif name == "rest":
        connection.request(GET, {"path": path, "skip": os.path.getsize(arguments[1])}, arguments[1])
    elif name == "hashes":
        members = dict(zip(("first_block", "blocks", "identity"), arguments[1:]))
        for number in ("first_block", "blocks"):
            if number in members:
                members[number] = int(members[number])
        connection.request(HASHES, {"path": path, **members})
    elif name == "tree":
        connection.request(TREE, {"path": path, "working": True})
    elif name in ("files", "compare"):
        folder, *files = arguments[1:] if name == "files" else (None, *arguments[1:])
        files = [dict(zip(("path", "digest"), file.split("="))) for file in files]
        connection.request(FILES, {"path": path, "files": files, "content": name == "files"}, folder)
    elif name == "reserved":
        connection.request(RESERVED, {})
    elif name == "violate":
        connection.waiting.append((0x7F, 0, None, None))
        connection.send(0x7F, 0, {})
    else:
        sys.exit("unknown command " + command)


def main():
    address, *commands = sys.argv[1:]
    try:
        connection = Connection(address)
    except Violation as violation:
        sys.exit("violation: %s" % violation)
    for command in commands:
        ask(connection, command)
    connection.send(GOODBYE, 0, {"reason": "done"})
    try:
        print(json.dumps({"welcome": connection.greet()}))
        for kind, request, message, out in connection.waiting:
            try:
                answer = connection.answer(kind, request, message, out)
            except Failed as failed:
                answer = {"error": failed.failure, "request": failed.request}
                if failed.request == 0:
                    print(json.dumps(answer))
                    break
            print(json.dumps(answer))
        try:
            rest = connection.socket.makefile("rb").read()
        except ConnectionResetError:
            # It closed with something of ours unread.
            rest = b""
        check(not rest or rest[0] == GOODBYE, "more than was asked for: %r" % rest[:40])
        print(json.dumps({"closed": True}))
    except Failed as failed:
        print(json.dumps({"error": failed.failure, "request": failed.request}))
    except Violation as violation:
        sys.exit("violation: %s" % violation)


main()
