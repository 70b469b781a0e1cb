"""The stream: a canonical pax archive (spec: chapter 10).

`StreamParser.feed` takes the stream piece by piece; zeros may come as a number. Each entry is decoded, encoded again
and compared (ENT-1). A sink gets the content of the entries.
"""
from __future__ import annotations

import re
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, field

from wire import ALL_ONES, LIMIT, MALFORMED, MIB, blake3_hasher, is_zero, require

Piece = bytes | memoryview | int  # an int is a number of zero bytes
Step = Generator[None, None, None]

FILE, HARD_LINK, SYMLINK, CHAR_DEVICE, BLOCK_DEVICE, DIRECTORY, FIFO = range(7)
PART_SIZE = 8 * MIB
MAX_SIZE = 1 << 60
OCTAL_7, OCTAL_11 = 0o7777777, 0o77777777777
ROOTS = {b"sql": 0, b"home": 1, b"attachments": 2}
PART_NAME = re.compile(rb"(.*)\.parts/([0-9]{12})", re.DOTALL)
DECIMAL = re.compile(rb"0|[1-9][0-9]{0,19}")
MTIME = re.compile(rb"(-?)(0|[1-9][0-9]{0,19})(?:\.([0-9]{1,9}))?")
ZEROS = bytes(MIB)


@dataclass
class Entry:
    path: bytes
    kind: int
    mode: int
    uid: int
    gid: int
    mtime_seconds: int
    mtime_nanos: int
    uname: bytes
    gname: bytes
    major: int
    minor: int
    link: bytes = b""
    xattrs: dict[bytes, bytes] = field(default_factory=dict)
    linked: bool = False
    part: int = 0          # number of the part (of the joined entry: of the last one so far), 0 if it is none
    sparse: bool = False
    size: int = 0          # logical size; of parts: of all
    content_len: int = 0   # bytes in the stream
    header_offset: int = 0
    content_offset: int = 0
    content_hash: bytes = bytes(32)
    superseded: bool = False
    flags: int = 0         # of its row

    def stored_path(self) -> bytes:
        """The pax `path` (spec: chapters 10.2, 10.4)."""
        if self.part:
            return self.path + b".parts/%012d" % self.part
        if self.sparse:
            directory, slash, name = self.path.rpartition(b"/")
            return directory + slash + b"GNUSparseFile.0/" + name
        return self.path

    def row_size(self) -> int:
        """Bytes of the encoded row (spec: chapter 11)."""
        return 107 + len(self.path) + len(self.link)

    def metadata(self) -> tuple:
        return (self.mode, self.uid, self.gid, self.mtime_seconds, self.mtime_nanos, self.uname, self.gname)


# ---- encoding (spec: chapter 10.2) ---------------------------------------------------------------------

def ustar_block(name: bytes, typeflag: bytes, mode: int, uid: int = 0, gid: int = 0, size: int = 0, mtime: int = 0,
                linkname: bytes = b"", uname: bytes = b"", gname: bytes = b"", major: int = 0, minor: int = 0) -> bytes:
    block = b"".join((
        name[:100].ljust(100, b"\0"), b"%07o\0" % mode, b"%07o\0" % (uid if uid <= OCTAL_7 else 0),
        b"%07o\0" % (gid if gid <= OCTAL_7 else 0), b"%011o\0" % (size if size <= OCTAL_11 else 0),
        b"%011o\0" % (mtime if 0 <= mtime <= OCTAL_11 else 0), b" " * 8, typeflag, linkname[:100].ljust(100, b"\0"),
        b"ustar\0" b"00", uname[:31].ljust(32, b"\0"), gname[:31].ljust(32, b"\0"), b"%07o\0" % major, b"%07o\0" % minor,
        bytes(167)))
    return block[:148] + b"%07o\0" % sum(block) + block[156:]


def mtime_text(seconds: int, nanos: int) -> bytes:
    total = seconds * 1_000_000_000 + nanos
    whole, fraction = divmod(abs(total), 1_000_000_000)
    text = (b"-" if total < 0 else b"") + b"%d" % whole
    return text + (b".%09d" % fraction).rstrip(b"0") if fraction else text


def is_utf8(text: bytes) -> bool:
    try:
        text.decode("utf-8")
        return True
    except UnicodeDecodeError:
        return False


def pax_values(e: Entry) -> dict[bytes, bytes]:
    """The pax records that an entry has, and no others."""
    values = {b"SCHILY.xattr." + name: value for name, value in e.xattrs.items()}
    values[b"path"] = e.stored_path()
    values[b"mtime"] = mtime_text(e.mtime_seconds, e.mtime_nanos)
    if e.sparse:
        values |= {b"GNU.sparse.major": b"1", b"GNU.sparse.minor": b"0", b"GNU.sparse.name": e.path,
                   b"GNU.sparse.realsize": b"%d" % e.size}
    if e.kind == FILE and (e.linked or e.part):
        values[b"comment"] = b"bakpak.linked" if e.linked else b"bakpak.part"
    if e.kind in (HARD_LINK, SYMLINK):
        values[b"linkpath"] = e.link
    for key, name in ((b"uname", e.uname), (b"gname", e.gname)):
        if len(name) > 31 or not name.isascii():
            values[key] = name
    for key, number, most in ((b"uid", e.uid, OCTAL_7), (b"gid", e.gid, OCTAL_7), (b"size", e.content_len, OCTAL_11)):
        if number > most:
            values[key] = b"%d" % number
    texts = [values.get(key, b"") for key in (b"gname", b"linkpath", b"path", b"uname", b"GNU.sparse.name")]
    if not all(map(is_utf8, texts)):
        values[b"hdrcharset"] = b"BINARY"
    return values


def pax_records(values: dict[bytes, bytes]) -> bytes:
    out = []
    for key in sorted(values):
        rest = b" " + key + b"=" + values[key] + b"\n"
        length = len(rest) + 1
        while len(b"%d" % length) + len(rest) != length:
            length += 1
        out.append(b"%d" % length + rest)
    return b"".join(out)


def encode_entry(e: Entry) -> bytes:
    """Both header blocks and the pax records."""
    pax = pax_records(pax_values(e))
    return b"".join((ustar_block(b"././@PaxHeader", b"x", 0o644, size=len(pax)), pax, bytes(-len(pax) % 512), ustar_block(
        e.stored_path(), b"%d" % e.kind, e.mode, e.uid, e.gid, e.content_len, e.mtime_seconds, e.link, e.uname,
        e.gname, e.major, e.minor)))


# ---- decoding ---------------------------------------------------------------------------------------------

def octal(block: bytes, at: int, digits: int) -> int:
    text = block[at:at + digits + 1]
    good = text[-1] == 0 and all(0x30 <= c <= 0x37 for c in text[:-1])
    require(good, MALFORMED, "ENT-1", f"header field at {at} is not {digits} octal digits and a zero")
    return int(text[:-1], 8)


def decimal(text: bytes, what: str, rule: str = "ENT-1") -> int:
    require(DECIMAL.fullmatch(text) is not None, MALFORMED, rule, f"{what}: {text[:40]!r} is no decimal number")
    return int(text)


def u64_decimal(text: bytes, what: str) -> int:
    number = decimal(text, what)
    require(number < 1 << 64, MALFORMED, "ENT-1", f"{what} is beyond 64 bits")
    return number


def size_decimal(text: bytes, what: str) -> int:
    """spec: ENT-9"""
    too_long = re.fullmatch(rb"[1-9][0-9]{20,}", text) is not None
    number = MAX_SIZE if too_long else decimal(text, what)
    require(number < MAX_SIZE, LIMIT, "ENT-9", f"{what} is not below 2^60")
    return number


def parse_pax(data: bytes) -> dict[bytes, bytes]:
    """spec: ENT-5. What is out of order, repeated or unknown shows when the records are encoded again."""
    values, at = {}, 0
    while at < len(data):
        space = data.find(b" ", at, at + 21)
        require(space > 0, MALFORMED, "ENT-1", "a pax record without length")
        length = decimal(data[at:space], "length of a pax record")
        require(length <= 72 * 1024, LIMIT, "ENT-5", f"a pax record of {length} bytes")
        record = data[space + 1:at + length]
        key, equals, value = record[:-1].partition(b"=")
        good = at + length <= len(data) and bool(equals) and record.endswith(b"\n")
        require(good, MALFORMED, "ENT-1", "a broken pax record")
        if key.startswith(b"SCHILY.xattr."):
            require(len(value) <= 65536, LIMIT, "ENT-5", "an attribute's value is over 64 KiB")
            require(1 <= len(key) - 13 <= 255 and b"\0" not in key, MALFORMED, "ENT-1", "name of an attribute")
        require(key not in values, MALFORMED, "ENT-1", f"pax key {key[:40]!r} twice")
        values[key] = value
        at += length
    return values


def check_path(path: bytes) -> None:
    """spec: ENT-2"""
    require(len(path) <= 32768, LIMIT, "ENT-2", "a path of over 32,768 bytes")
    components = path.split(b"/")
    require(len(components) <= 256, LIMIT, "ENT-2", "a path of over 256 components")
    require(b"\0" not in path and not any(c in (b"", b".", b"..") for c in components), MALFORMED, "ENT-2", f"path {path[:80]!r}")
    require(components[0] in ROOTS, MALFORMED, "ENT-2", f"path {path[:80]!r} is below another root")


def decode_entry(x: bytes, pax: bytes, block: bytes) -> Entry:
    """An entry's values; refuses every header that is not the encoding of them. spec: ENT-1, ENT-2"""
    values = parse_pax(pax)
    require(block[156:157] in b"0123456" and block[156] != 0, MALFORMED, "ENT-1", f"typeflag {block[156:157]!r}")
    kind = block[156] - 0x30

    mtime = MTIME.fullmatch(values.get(b"mtime", b""))
    require(mtime is not None, MALFORMED, "ENT-1", "the pax mtime is missing or wrong")
    total = int(mtime[2]) * 1_000_000_000 + int((mtime[3] or b"").ljust(9, b"0"))
    seconds, nanos = divmod(-total if mtime[1] else total, 1_000_000_000)
    require(-(1 << 63) <= seconds < 1 << 63, MALFORMED, "ENT-1", "mtime is beyond 64 bits")

    uid = u64_decimal(values[b"uid"], "uid") if b"uid" in values else octal(block, 108, 7)
    gid = u64_decimal(values[b"gid"], "gid") if b"gid" in values else octal(block, 116, 7)
    names = [values.get(key, block[at:at + 32].partition(b"\0")[0]) for key, at in ((b"uname", 265), (b"gname", 297))]
    require(all(len(n) <= 255 and b"\0" not in n for n in names), MALFORMED, "ENT-1", "a user or group name")
    e = Entry(values.get(b"path", b""), kind, octal(block, 100, 7), uid, gid, seconds, nanos, names[0], names[1],
              octal(block, 329, 7), octal(block, 337, 7))
    require(e.mode <= 0o7777, MALFORMED, "ENT-1", "mode is over 07777")
    e.xattrs = {key[13:]: value for key, value in values.items() if key.startswith(b"SCHILY.xattr.")}
    e.content_len = size_decimal(values[b"size"], "size") if b"size" in values else octal(block, 124, 11)
    e.size = e.content_len
    if kind != FILE:
        require(e.content_len == 0, MALFORMED, "ENT-1", "content of an entry that is no file")
    if kind in (HARD_LINK, SYMLINK):
        e.link = values.get(b"linkpath", b"")
        require(1 <= len(e.link) <= 32768 and b"\0" not in e.link, MALFORMED, "ENT-1", "target of a link")
    if kind not in (CHAR_DEVICE, BLOCK_DEVICE):
        require(e.major == 0 and e.minor == 0, MALFORMED, "ENT-1", "device numbers of an entry that is no device")
    if any(key.startswith(b"GNU.sparse.") for key in values):
        require(kind == FILE and b"GNU.sparse.name" in values, MALFORMED, "ENT-1", "sparse records that do not belong here")
        e.sparse, e.path = True, values[b"GNU.sparse.name"]
        e.size = size_decimal(values.get(b"GNU.sparse.realsize", b""), "realsize")
    comment = values.get(b"comment")
    if kind == FILE and comment == b"bakpak.part":
        name = PART_NAME.fullmatch(e.path)
        require(name is not None and int(name[2]) > 0, MALFORMED, "ENT-8", "a part whose name is not that of a part")
        require(not e.xattrs and not e.sparse, MALFORMED, "ENT-8", "a part with attributes or holes")
        require(1 <= e.size <= PART_SIZE, MALFORMED, "ENT-8", f"a part of {e.size} bytes")
        e.path, e.part = name[1], int(name[2])
    e.linked = kind == FILE and comment == b"bakpak.linked"
    check_path(e.path)
    canonical = x + pax + bytes(-len(pax) % 512) + block == encode_entry(e)
    require(canonical, MALFORMED, "ENT-1", f"the headers of {e.path[:80]!r} are not in canonical form")
    return e


# ---- the stream ---------------------------------------------------------------------------------------------

class Sink:
    """What becomes of the entries' content; this one lets it pass."""

    def begin(self, entry: Entry) -> None: ...

    def data(self, entry: Entry, piece: Piece, hole: bool) -> None: ...

    def end(self, entry: Entry) -> None: ...


class StreamParser:
    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.pieces: deque[Piece] = deque()
        self.have = 0                          # bytes in `pieces`
        self.pos = 0                           # stream offset of the first of them
        self.first_start = ALL_ONES            # of the first `x` header since it was set so (CHU-3)
        self.entries: list[Entry] = []         # of parts: one
        self.pending: dict[int, Entry] = {}    # by header_offset: those that have ended and have no row yet
        self.pending_size = 0                  # of the encoding of their rows
        self.total = 0
        self.linked: set[bytes] = set()        # paths that a hard link may name
        self.parted: set[bytes] = set()
        self.previous: Entry | None = None
        self.order: tuple[int, list[bytes]] = (-1, [])
        self.whole: Entry | None = None        # the entry whose parts go on
        self.boundary = self.done = False
        self.steps = self.run()
        next(self.steps)

    def feed(self, piece: Piece) -> None:
        size = piece if isinstance(piece, int) else len(piece)
        if size == 0:
            return
        require(not self.done, MALFORMED, "ENT-1", "the stream goes on after its end")
        self.pieces.append(piece if isinstance(piece, int) else memoryview(piece))  # slices of a view copy nothing
        self.have += size
        try:
            next(self.steps)
        except StopIteration:
            self.done = True
            require(self.have == 0, MALFORMED, "ENT-1", "the stream goes on after its end")

    def pop(self, most: int) -> Piece:
        """The first piece, or as much of it as is wanted."""
        piece = self.pieces.popleft()
        size = piece if isinstance(piece, int) else len(piece)
        if size > most:
            self.pieces.appendleft(size - most if isinstance(piece, int) else piece[most:])
            piece, size = (most if isinstance(piece, int) else piece[:most]), most
        self.have -= size
        self.pos += size
        return piece

    def take(self, n: int) -> Generator[None, None, bytes]:
        while self.have < n:
            yield
        out = bytearray()
        while len(out) < n:
            piece = self.pop(n - len(out))
            out += bytes(piece) if isinstance(piece, int) else piece
        return bytes(out)

    def padding(self, n: int) -> Step:
        fill = yield from self.take(-n % 512)
        require(is_zero(fill), MALFORMED, "ENT-1", "the filling to 512 is not zero")

    def run(self) -> Step:
        """The whole stream, entry by entry."""
        while True:
            start, self.boundary = self.pos, True
            while not self.have:
                yield
            self.boundary = False
            if self.first_start == ALL_ONES and not isinstance(self.pieces[0], int) and self.pieces[0][0]:
                self.first_start = start  # what begins with a zero is the end
            x = yield from self.take(512)
            if is_zero(x):
                self.end_parts()
                end = yield from self.take(512)
                require(is_zero(end), MALFORMED, "ENT-1", "one zero block in the stream")
                return
            require(x[156:157] == b"x", MALFORMED, "ENT-1", f"typeflag {x[156:157]!r} where an x header should be")
            pax_len = octal(x, 124, 11)
            require(pax_len <= MIB, LIMIT, "ENT-5", f"{pax_len} bytes of pax records")
            pax = yield from self.take(pax_len)
            yield from self.padding(pax_len)
            block = yield from self.take(512)
            entry = decode_entry(x, pax, block)
            self.total += entry.size
            require(self.total < MAX_SIZE, LIMIT, "ENT-9", "the sum of the sizes is not below 2^60")
            entry.header_offset, entry.content_offset = start, self.pos
            if not self.is_next_part(entry):
                self.begin(entry)
            if entry.sparse:
                yield from self.sparse_content(entry)
            else:
                yield from self.content(self.whole or entry, entry.content_len)
            yield from self.padding(entry.content_len)
            if not self.whole:
                self.end(entry)
            elif entry.size < PART_SIZE:
                self.end_parts()

    def begin(self, entry: Entry) -> None:
        """spec: ENT-2, ENT-3, ENT-4, ENT-6, ENT-8"""
        self.end_parts()
        components, before, where = entry.path.split(b"/"), self.previous, repr(entry.path[:80])
        order = (ROOTS[components[0]], components)
        require(len(components) > 1 or entry.kind == DIRECTORY, MALFORMED, "ENT-2", f"{where} is no directory")
        if before and before.path == entry.path:
            parts = before.part or entry.part
            require(not parts, MALFORMED, "ENT-8", f"{where}: parts supersede or are superseded, or go on behind their end")
            require(before.kind == entry.kind == FILE, MALFORMED, "ENT-3", f"{where} twice")
            before.superseded = True
            self.linked.discard(entry.path)
        else:
            require(order > self.order, MALFORMED, "ENT-3", f"{where} is out of order")
            below = before and before.kind != DIRECTORY and entry.path.startswith(before.path + b"/")
            require(not below, MALFORMED, "ENT-4", f"{where} is below an entry that is no directory")
        for i, name in enumerate(components):
            taken = name.endswith(b".parts") and b"/".join(components[:i] + [name[:-6]]) in self.parted
            require(not taken, MALFORMED, "ENT-8", f"{where} is at or below the parts of another entry")
        if entry.kind == HARD_LINK:
            require(entry.link in self.linked, MALFORMED, "ENT-6", f"{where}: the target may not be named")
        if entry.part:
            require(entry.part == 1, MALFORMED, "ENT-8", f"{where}: the first part is missing")
            self.whole = entry
            self.parted.add(entry.path)
        self.order, self.previous = order, entry
        self.entries.append(entry)
        self.hasher = blake3_hasher()
        self.sink.begin(entry)

    def is_next_part(self, entry: Entry) -> bool:
        """spec: ENT-8"""
        whole = self.whole
        if not whole or entry.path != whole.path or entry.part < 2:
            return False
        require(entry.part == whole.part + 1, MALFORMED, "ENT-8", "parts out of order")
        require(entry.metadata() == whole.metadata(), MALFORMED, "ENT-8", "metadata of parts differs")
        whole.part, whole.size = entry.part, whole.size + entry.size
        return True

    def end_parts(self) -> None:
        if self.whole:
            entry, self.whole = self.whole, None
            require(entry.part >= 2, MALFORMED, "ENT-8", "a single part")
            self.end(entry)

    def end(self, entry: Entry) -> None:
        if entry.kind == FILE:
            entry.content_hash = self.hasher.digest()
            if entry.linked:
                self.linked.add(entry.path)
        self.pending[entry.header_offset] = entry
        self.pending_size += entry.row_size()
        self.sink.end(entry)

    def ended(self, offset: int | None) -> Entry | None:
        """The entry of that header offset, or the first, if it has ended and has no row yet. spec: ENT-8: if the last part
        so far is full, a row or FACTS about the entry ends it."""
        whole = self.whole
        about = whole and (not self.pending if offset is None else offset == whole.header_offset)
        if about and self.boundary and whole.part >= 2:
            self.end_parts()
        return next(iter(self.pending.values()), None) if offset is None else self.pending.get(offset)

    def pass_on(self, entry: Entry, piece: Piece, hole: bool = False) -> None:
        """Many zeros take long; the user can stop it. spec: RDR-6"""
        self.sink.data(entry, piece, hole)
        if not isinstance(piece, int):
            self.hasher.update(piece)
            return
        for at in range(0, piece, MIB):
            self.hasher.update(ZEROS[:min(MIB, piece - at)])

    def content(self, entry: Entry, n: int) -> Step:
        while n:
            while not self.have:
                yield
            piece = self.pop(n)
            n -= piece if isinstance(piece, int) else len(piece)
            self.pass_on(entry, piece)

    def sparse_content(self, entry: Entry) -> Step:
        """spec: chapter 10.3, ENT-7"""
        text, at = bytearray(), 0

        def number() -> Generator[None, None, int]:
            nonlocal at
            while (end := text.find(b"\n", at, at + 21)) < 0:
                good = len(text) - at <= 20 and len(text) + 512 <= entry.content_len
                require(good, MALFORMED, "ENT-7", "a broken sparse map")
                text.extend((yield from self.take(512)))
            value = decimal(bytes(text[at:end]), "sparse map", "ENT-7")
            at = end + 1
            return value

        count = yield from number()
        require(count <= 1_048_576, LIMIT, "ENT-7", f"{count} extents")
        extents, end, stored = [], -1, 0
        for i in range(count):
            offset, length = (yield from number()), (yield from number())
            closing = length == 0 and i == count - 1 and offset == entry.size
            require(closing or length > 0, MALFORMED, "ENT-7", "an empty extent")
            data = stored and not closing
            require(not data or extents[-1][1] % 512 == 0, MALFORMED, "ENT-7", "an extent in the middle is not whole blocks")
            require(offset > end and offset + length <= entry.size, MALFORMED, "ENT-7", "extents overlap, touch or pass realsize")
            extents.append((offset, length))
            end, stored = offset + length, stored + length
        require(end == entry.size, MALFORMED, "ENT-7", "the sparse map does not end at realsize")
        require(stored < entry.size, MALFORMED, "ENT-7", "a sparse file without holes")
        require(is_zero(text[at:]), MALFORMED, "ENT-7", "the filling of the sparse map is not zero")
        require(len(text) + stored == entry.content_len, MALFORMED, "ENT-7", "the sparse map does not fit the content")
        end = 0
        for offset, length in extents:
            self.pass_on(entry, offset - end, hole=True)
            yield from self.content(entry, length)
            end = offset + length
