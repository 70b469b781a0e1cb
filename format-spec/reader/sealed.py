"""What stands under the seal (spec: chapters 5 and 7 to 11, RDR-2): blocks, records, chunks, catalogue, tree, FINAL."""
from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from clear import Archive, Keys, Stripe
from entries import FILE, HARD_LINK, Piece, StreamParser
from wire import (ALL_ONES, LIMIT, MALFORMED, MIB, NOT_AUTHENTIC, UNSUPPORTED, Fault, Fields, blake3_hasher, gcm_open,
                  is_zero, require, zstd_open)

CHUNK, FACTS, CATALOGUE_PAGE, CHECKPOINT, FINAL, TREE_PAGE = range(1, 7)
LITERAL, COPY, ZERO = range(3)
NO_RECORD = 0xFFFFFFFF
SUPERSEDED, CHANGED, PARTED, LINKED, UNREADABLE, SPARSE = (1 << bit for bit in range(6))


@dataclass
class Record:
    kind: int
    version: int
    place: int
    body: bytes


class Blocks:
    """Opens blocks. spec: BLK-4, BLK-5"""

    def __init__(self, archive: Archive, keys: Keys) -> None:
        self.archive, self.keys = archive, keys
        self.open = lru_cache(maxsize=16)(self.open_block)

    def open_block(self, number: int) -> tuple[int, int, bytes]:
        """used_len, first_record and the used payload."""
        header, stripe = self.archive.header, self.archive.stripes[number // self.archive.header.full_stripe]
        at = stripe.start + (number - stripe.first_block) * header.block_size
        block = self.archive.data[at:at + header.block_size]
        key = self.keys.subkey(b"bakpak/1 stripe", stripe.index.to_bytes(8, "little") + stripe.salt)
        plain = gcm_open(key, block[40:52], block[64:], block[:64] + header.archive_id + header.head_digest)
        if plain is None:
            raise Fault(NOT_AUTHENTIC, "BLK-4", f"the tag of block {number} is wrong")
        used, first = int.from_bytes(plain[:4], "little"), int.from_bytes(plain[4:8], "little")
        require(used <= header.payload_size, MALFORMED, "BLK-5", f"block {number}: used_len {used}")
        require(is_zero(plain[8:16]), MALFORMED, "BLK-5", f"block {number}: reserved bytes are set")
        require(is_zero(plain[16 + used:]), MALFORMED, "BLK-5", f"block {number}: bytes behind used_len are not zero")
        return used, first, plain[16:16 + used]

    def at_place(self, place: int, length: int) -> bytes:
        """Bytes of the joined payloads."""
        out, size = bytearray(), self.archive.header.payload_size
        while len(out) < length:
            number, offset = divmod(place + len(out), size)
            out += self.open(number)[2][offset:offset + length - len(out)]
        return bytes(out)

    def records(self, stripe: Stripe) -> Iterator[Record]:
        """The records of a stripe. spec: REC-1, REC-2, REC-4, BLK-5, BLK-6"""
        size = self.archive.header.payload_size
        buffer = bytearray()
        start = place = stripe.first_block * size  # of the next record
        opened: list[tuple[int, int]] = []         # used_len and first_record of each block
        begins: dict[int, int] = {}                # where the first record in each block begins

        def fill(length: int) -> bool:
            """Opens blocks until `length` bytes are there."""
            while len(buffer) < length and len(opened) < stripe.count:
                number = stripe.first_block + len(opened)
                used, first, payload = self.open(number)
                good = used == 0 or not opened or opened[-1][0] == size
                require(good, MALFORMED, "BLK-5", f"block {number} is used behind a short one")
                opened.append((used, first))
                buffer.extend(payload)
            return len(buffer) >= length

        while fill(1):
            begins.setdefault((place - start) // size, (place - start) % size)
            require(fill(16), MALFORMED, "REC-1", "a record's header does not end in its stripe")
            f = Fields(bytes(buffer[:16]))
            kind, flags, version, reserved, body_len, reserved2 = f.u16(), f.u16(), f.u16(), f.u16(), f.u32(), f.u32()
            require(body_len <= 16 * MIB - 16, LIMIT, "REC-4", f"a record with a body of {body_len} bytes")
            require(flags <= 1 and reserved == 0 and reserved2 == 0, MALFORMED, "REC-2", "a record with reserved bits set")
            if CHUNK <= kind <= TREE_PAGE:
                require(flags == (kind != FACTS), MALFORMED, "REC-2", f"record type {kind} with a wrong critical flag")
                require(version == 1 or kind == FACTS, UNSUPPORTED, "REC-3", f"record type {kind} in version {version}")
            require(CHUNK <= kind <= TREE_PAGE or flags == 0, UNSUPPORTED, "REC-2", f"unknown critical record type {kind}")
            require(fill(16 + body_len), MALFORMED, "REC-1", "a record does not end in its stripe")
            body = bytes(buffer[16:16 + body_len])
            del buffer[:16 + body_len]
            yield Record(kind, version, place, body)
            place += 16 + body_len
        good = opened[-1][0] > 0 or stripe is not self.archive.stripes[-1]
        require(good, MALFORMED, "BLK-5", "the last record does not end in the last block")
        for j, (_, first) in enumerate(opened):
            require(first == begins.get(j, NO_RECORD), MALFORMED, "BLK-6", f"first_record of block {stripe.first_block + j}")


def varint(f: Fields) -> int:
    """LEB128 in its shortest form. spec: chapter 8, CHU-5"""
    value = 0
    for i in range(10):
        byte = f.u8()
        value |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            require(byte > 0 or i == 0, MALFORMED, "CHU-5", "a varint that is not in its shortest form")
            require(value <= ALL_ONES, MALFORMED, "CHU-5", "a varint beyond 64 bits")
            return value
    raise Fault(MALFORMED, "CHU-5", "a varint of more than 10 bytes")


def parse_script(data: bytes, count: int) -> list[tuple[int, int, int]]:
    """spec: CHU-5"""
    f, script, end, total, previous = Fields(data, "CHU-5"), [], 0, 0, -1
    for _ in range(count):
        head = varint(f)
        op, n, source = head & 3, head >> 2, 0
        require(op <= ZERO, MALFORMED, "CHU-5", "instruction with op 3")
        require(n > 0, MALFORMED, "CHU-5", "instruction of no bytes")
        require(op == COPY or op != previous, MALFORMED, "CHU-5", "two LITERALs or two ZEROs in a row")
        if op == COPY:
            z = varint(f)
            d = -(z + 1 >> 1) if z & 1 else z >> 1
            require(abs(d) < 1 << 62, MALFORMED, "CHU-5", "the distance of a COPY is not below 2^62")
            require(d != 0 or previous != COPY, MALFORMED, "CHU-5", "a COPY that goes on where the one before it ends")
            source = end + d
            end = source + n
        total += n if op != ZERO else 0
        require(total <= 64 * MIB, LIMIT, "CHU-5", "LITERAL and COPY are over 64 MiB")
        script.append((op, n, source))
        previous = op
    f.end()
    require([s[0] for s in script] != [LITERAL], MALFORMED, "CHU-5", "a script of a single LITERAL")
    return script


def raw_bytes(compression: int, payload: bytes, raw_len: int) -> bytes:
    """spec: CHU-6"""
    if compression == 0:
        require(len(payload) == raw_len, MALFORMED, "CHU-6", "a stored payload is not raw_len bytes")
        return payload
    return zstd_open(payload, raw_len)


class DataSpace:
    """The raw bytes of the chunks so far; they are opened and decompressed again when they are asked for."""

    def __init__(self, blocks: Blocks) -> None:
        self.blocks = blocks
        self.offsets: list[int] = []                      # of the chunks that have raw bytes
        self.chunks: list[tuple[int, int, int, int]] = []  # place and length of the payload, compression, raw_len
        self.raw = lru_cache(maxsize=32)(self.read)

    def add(self, data_offset: int, place: int, length: int, compression: int, raw_len: int) -> None:
        if raw_len:
            self.offsets.append(data_offset)
            self.chunks.append((place, length, compression, raw_len))

    def read(self, index: int) -> bytes:
        place, length, compression, raw_len = self.chunks[index]
        return raw_bytes(compression, self.blocks.at_place(place, length), raw_len)

    def touched(self, source: int, n: int) -> range:
        """The chunks that [source, source + n) touches."""
        return range(bisect_right(self.offsets, source) - 1, bisect_right(self.offsets, source + n - 1))

    def pieces(self, source: int, n: int) -> Iterator[bytes]:
        for index in self.touched(source, n):
            begin = self.offsets[index]
            yield self.raw(index)[max(source - begin, 0):source + n - begin]


class Walk:
    """Reads all records and checks them against each other; the stream goes to the parser (and to `tee`)."""

    def __init__(self, archive: Archive, keys: Keys, parser: StreamParser, tee: Callable[[Piece], None] | None = None) -> None:
        self.archive, self.header, self.parser, self.tee = archive, archive.header, parser, tee
        self.blocks = Blocks(archive, keys)
        self.space = DataSpace(self.blocks)
        self.stream_end = self.data_end = self.copied = self.touched = self.chunk_count = 0
        self.row_count = 0
        self.missing: list[tuple[bytes, bytes]] = []
        self.previous_checkpoint, self.chunks_since = ALL_ONES, 0
        self.listed: tuple[list, list, list] = ([], [], [])  # since the last CHECKPOINT: chunks, pages, facts
        self.level0: dict[int, list] = {1: [], 2: [], 3: []}  # what the tree must list
        self.tree: dict[int, list] = {1: [], 2: [], 3: []}   # pages: level, place, items
        self.tree_hash = blake3_hasher()
        self.phase, self.last_kind, self.last_place = "body", 0, ALL_ONES
        self.final: dict | None = None

    def run(self) -> None:
        """spec: REC-5, FIN-2, chapter 7"""
        handlers = {CHUNK: self.chunk, FACTS: self.facts, CATALOGUE_PAGE: self.catalogue_page, CHECKPOINT: self.checkpoint,
                    FINAL: self.read_final, TREE_PAGE: self.tree_page}
        for stripe in self.archive.stripes:
            last = stripe is self.archive.stripes[-1]
            begin = self.stream_end, self.data_end
            for record in self.blocks.records(stripe):
                self.check_order(record.kind, last)
                if record.kind in handlers:
                    handlers[record.kind](record)
                self.last_kind, self.last_place = record.kind, record.place
            if not last:
                require(self.last_kind == CHECKPOINT, MALFORMED, "REC-5", f"stripe {stripe.index} does not end with a CHECKPOINT")
                self.level0[2].append((*begin, self.last_place))
                self.last_kind = 0
        require(self.phase == "final", MALFORMED, "REC-5", "FINAL is missing")
        self.check_tree()
        self.check_final()

    def check_order(self, kind: int, last_stripe: bool) -> None:
        """spec: REC-5"""
        good = {"body": kind != FINAL or self.last_kind == CHECKPOINT, "trees": kind in (TREE_PAGE, CHECKPOINT),
                "closing": kind == FINAL, "final": False}[self.phase]
        require(good, MALFORMED, "REC-5", f"record type {kind} may not stand here")
        require(last_stripe or kind not in (TREE_PAGE, FINAL), MALFORMED, "REC-5", f"record type {kind} before the last stripe")
        if kind == TREE_PAGE:
            self.phase = "trees"
        elif kind == FINAL:
            self.phase = "final"
        elif kind == CHECKPOINT and self.phase == "trees":
            self.phase = "closing"

    # ---- chunks (chapter 8) ----

    def chunk(self, record: Record) -> None:
        """spec: CHU-1 to CHU-6, CAT-3, CKP-2"""
        require(self.parser.pending_size <= MIB, MALFORMED, "CAT-3", "over 1 MiB of rows are not in a page when a chunk begins")
        self.chunks_since += 1
        require(self.chunks_since <= 16384, MALFORMED, "REC-5", "over 16,384 chunks without a CHECKPOINT")
        f = Fields(record.body)
        stream_offset, data_offset, stream_len, first_entry = f.u64(), f.u64(), f.u64(), f.u64()
        raw_len, count, script_len, compression = f.u32(), f.u32(), f.u32(), f.u8()
        require(stream_offset == self.stream_end, MALFORMED, "CHU-1", "stream_offset is wrong")
        require(data_offset == self.data_end, MALFORMED, "CHU-1", "data_offset is wrong")
        require(raw_len <= self.header.chunk_size, LIMIT, "CHU-4", f"raw_len {raw_len}")
        require(count <= 65536, LIMIT, "CHU-5", f"{count} instructions")
        script = parse_script(f.raw(script_len), count) or [(LITERAL, raw_len, 0)]
        require(stream_len > 0, MALFORMED, "CHU-2", "a chunk of an empty stretch")
        require(sum(n for _, n, _ in script) == stream_len, MALFORMED, "CHU-2", "the instructions do not add up to stream_len")
        literals = sum(n for op, n, _ in script if op == LITERAL)
        require(literals == raw_len, MALFORMED, "CHU-2", "the LITERALs do not add up to raw_len")
        self.copy_rules(script, data_offset)
        require(compression <= 1, UNSUPPORTED, "CHU-6", f"compression {compression}")
        payload = f.raw(f.left())
        raw = raw_bytes(compression, payload, raw_len)
        at, self.parser.first_start = 0, ALL_ONES
        for op, n, source in script:
            if op == LITERAL:
                self.feed(raw[at:at + n])
                at += n
            elif op == ZERO:
                self.feed(n)
            else:
                for piece in self.space.pieces(source, n):
                    self.feed(piece)
        require(first_entry == self.parser.first_start, MALFORMED, "CHU-3", "first_entry is wrong")
        self.space.add(data_offset, record.place + 16 + 45 + script_len, len(payload), compression, raw_len)
        self.chunk_count += 1
        self.listed[0].append((stream_offset, data_offset, record.place))
        self.stream_end += stream_len
        self.data_end += raw_len

    def copy_rules(self, script: list[tuple[int, int, int]], data_offset: int) -> None:
        """spec: CHU-7, CHU-8, CHU-9"""
        touched: set[int] = set()
        before = self.copied
        for op, n, source in script:
            if op == COPY:
                good = 0 <= source and source + n <= data_offset
                require(good, MALFORMED, "CHU-7", "a COPY from outside of the data space so far")
                reach = self.header.copy_reach
                require(reach == ALL_ONES or data_offset - source <= reach, MALFORMED, "CHU-8", "a COPY beyond copy_reach")
                touched.update(self.space.touched(source, n))
            self.copied += n if op != ZERO else 0
        self.touched += len(touched)
        for chunks, copied in (self.touched, self.copied), (len(touched), self.copied - before):
            cheap = chunks * self.header.chunk_size <= 64 * copied + 256 * MIB
            require(cheap, LIMIT, "CHU-9", "COPY costs too much")

    def feed(self, piece: Piece) -> None:
        self.parser.feed(piece)
        if self.tee:
            self.tee(piece)

    # ---- facts, checkpoint, final (chapter 9) ----

    def facts(self, record: Record) -> None:
        """spec: FAC-1, REC-3 (of another version only entry and kind are read)"""
        f = Fields(record.body)
        about, kind = f.u64(), f.u16()
        self.listed[2].append((about, kind, record.place))
        self.level0[3].append((about, kind, record.place))
        if record.version != 1:
            return
        length = f.u64()
        require(length <= MIB, LIMIT, "FAC-1", f"FACTS data of {length} bytes")
        d = Fields(f.raw(length))
        f.end()
        good = about == ALL_ONES or self.parser.ended(about) is not None
        require(good, MALFORMED, "FAC-1", f"FACTS about {about}: no entry there that has ended and has no row yet")
        if 1 <= kind <= 6:
            require((kind in (1, 4, 5, 6)) == (about != ALL_ONES), MALFORMED, "FAC-1", f"FACTS of kind {kind} about the wrong thing")
        if kind == 1:
            d.raw(16)
            d.end()
        elif kind == 2:
            d.u16(), d.bytes(), d.option(lambda: d.raw(16))
            d.end()
        elif kind == 3:
            self.missing.append((d.bytes(), d.bytes()))
            d.end()
        elif kind == 4:
            d.u8(), d.u32(), d.bytes(), d.bytes(), d.u64()
            self.checks(d)
        elif kind == 5:
            d.u64()
            complete = d.u8()
            require(complete <= 1, MALFORMED, "REC-6", f"complete is {complete}")
            d.bytes(), d.bytes(), d.option(d.bytes), d.option(d.bytes), d.option(lambda: d.raw(40))
            self.checks(d)
        elif kind == 6:
            d.u16(), d.u8(), d.list(lambda: (d.text(), d.text()), 16)
            self.check_faults(d, d.u64(), d.list(lambda: (d.text(), d.text()), 16))

    def checks(self, d: Fields) -> None:
        """CHECKS, to the end of the data. spec: FAC-2"""
        d.list(lambda: (d.u16(), d.u8(), d.u64(), d.u64(), d.text()), 27)
        self.check_faults(d, d.u64(), d.list(lambda: (d.u16(), d.u64(), d.u16(), d.u32(), d.text()), 24))

    def check_faults(self, d: Fields, count: int, listed: list) -> None:
        """spec: FAC-2"""
        d.end()
        require(len(listed) <= 100, LIMIT, "FAC-2", f"{len(listed)} faults are listed")
        require(count >= len(listed), MALFORMED, "FAC-2", f"{len(listed)} faults are listed, {count} counted")

    def checkpoint(self, record: Record) -> None:
        """spec: CKP-1, CAT-3"""
        require(not self.parser.pending, MALFORMED, "CAT-3", "a CHECKPOINT before the rows of entries that have ended")
        f = Fields(record.body)
        got = [f.u64(), f.u64(), f.u64(), f.u64()]
        f.option(lambda: (f.bytes(), f.raw(56)))  # cursor: passed over
        lists = (f.list(lambda: (f.u64(), f.u64(), f.u64()), 24), f.list(lambda: (f.u64(), f.u32()), 12),
                 f.list(lambda: (f.u64(), f.u16(), f.u64()), 18))
        f.end()
        want = [self.previous_checkpoint, self.stream_end, self.data_end, self.row_count]
        for name, a, b in zip(("previous", "stream_offset", "data_offset", "row_count"), got, want):
            require(a == b, MALFORMED, "CKP-1", f"CHECKPOINT: {name} is {a}, not {b}")
        for name, a, b in zip(("chunks", "pages", "facts"), lists, self.listed):
            require(a == b, MALFORMED, "CKP-1", f"CHECKPOINT: the list of {name} is wrong")
        self.listed, self.chunks_since, self.previous_checkpoint = ([], [], []), 0, record.place

    def read_final(self, record: Record) -> None:
        f = Fields(record.body)
        names = "stream_len", "data_len", "block_count", "chunk_count", "row_count", "content_len"
        self.final = {name: f.u64() for name in names}
        self.final["flags"] = f.u32()
        for name in ("started", "finished"):
            self.final[name] = (f.i64(), f.u32())
        self.final["trees"] = [(f.u64(), f.u8()) for _ in range(3)]
        self.final["tree_digest"] = f.raw(32)
        f.end()
        nanos = max(self.final["started"][1], self.final["finished"][1])
        require(nanos < 10**9, MALFORMED, "FIN-1", "a time of FINAL has a billion nanoseconds or more")
        require(self.final["flags"] <= 3, MALFORMED, "FIN-1", "reserved flag bits of FINAL are set")

    def check_final(self) -> None:
        """spec: FIN-1, CAT-1"""
        entries = self.parser.entries
        require(self.parser.done, MALFORMED, "ENT-1", "the stream has no end")
        require(self.row_count == len(entries), MALFORMED, "CAT-1", "an entry without a row")
        for e in entries:  # whether an entry is superseded shows behind it
            require(bool(e.flags & SUPERSEDED) == e.superseded, MALFORMED, "CAT-1", f"row {e.path[:80]!r}: bit superseded")
        named = {e.link for e in entries if e.kind == HARD_LINK}
        for e in entries:
            require(not (e.flags & UNREADABLE and e.path in named), MALFORMED, "CAT-1", f"{e.path[:80]!r}: unreadable, and linked to")
        content = sum(e.size for e in entries if e.kind == FILE and not e.superseded)
        want = {"stream_len": self.stream_end, "data_len": self.data_end, "block_count": self.archive.block_count,
                "chunk_count": self.chunk_count, "row_count": self.row_count, "content_len": content,
                "tree_digest": self.tree_hash.digest(), "trees": self.roots()}
        for name, value in want.items():
            require(self.final[name] == value, MALFORMED, "FIN-1", f"FINAL: {name} is {self.final[name]}, not {value}")

    # ---- catalogue and tree (chapter 11) ----

    def catalogue_page(self, record: Record) -> None:
        """spec: CAT-1, CAT-2"""
        head = Fields(record.body)
        count, raw_len = head.u32(), head.u32()
        require(raw_len <= MIB, LIMIT, "CAT-2", f"a catalogue page of {raw_len} bytes")
        require(count > 0, MALFORMED, "CAT-1", "a catalogue page without rows")
        f = Fields(zstd_open(head.raw(head.left()), raw_len, "CAT-2"))
        paths = [self.row(f) for _ in range(count)]
        f.end()
        self.listed[1].append((record.place, count))
        self.level0[1].append((paths[0], record.place, count))

    def row(self, f: Fields) -> bytes:
        """Compares a row with its entry; returns the path. spec: CAT-1"""
        row = {"path": f.bytes(), "kind": f.u8(), "flags": f.u16(), "size": f.u64(), "mtime_seconds": f.i64(),
               "mtime_nanos": f.u32(), "mode": f.u32(), "uid": f.u64(), "gid": f.u64(), "link": f.bytes(),
               "content_hash": f.raw(32), "header_offset": f.u64(), "content_offset": f.u64()}
        where, e = f"row {row['path'][:80]!r}", self.parser.ended(None)
        if e is None:
            raise Fault(MALFORMED, "CAT-1", f"{where}: no such entry has ended")
        e.flags = row.pop("flags")
        known = (PARTED if e.part else 0) | (LINKED if e.linked else 0) | (SPARSE if e.sparse else 0)
        known |= (SUPERSEDED | CHANGED | UNREADABLE) if e.kind == FILE else 0
        require(e.flags | known == known, MALFORMED, "CAT-1", f"{where}: flags {e.flags:#x}")
        fixed = PARTED | LINKED | SPARSE
        require(e.flags & fixed == known & fixed, MALFORMED, "CAT-1", f"{where}: flags {e.flags:#x}")
        for name, got in row.items():
            want = getattr(e, name)
            require(got == want, MALFORMED, "CAT-1", f"{where}: {name} is {got!r}, in the stream {want!r}")
        del self.parser.pending[e.header_offset]
        self.parser.pending_size -= e.row_size()
        self.row_count += 1
        return e.path

    def tree_page(self, record: Record) -> None:
        """spec: TRE-1"""
        head = Fields(record.body)
        part, level, count, raw_len = head.u8(), head.u8(), head.u32(), head.u32()
        require(level <= 3, LIMIT, "TRE-1", f"a tree page of level {level}")
        require(raw_len <= MIB, LIMIT, "TRE-1", f"a tree page of {raw_len} bytes")
        require(1 <= part <= 3 and count > 0, MALFORMED, "TRE-1", f"a tree page of part {part} with {count} items")
        f = Fields(zstd_open(head.raw(head.left()), raw_len, "TRE-1"))
        item = {1: lambda: (f.bytes(), f.u64(), f.u32()), 2: lambda: (f.u64(), f.u64(), f.u64()),
                3: lambda: (f.u64(), f.u16(), f.u64())}[part] if level == 0 else lambda: (f.bytes(), f.u64())
        items = [item() for _ in range(count)]
        f.end()
        self.tree[part].append((level, record.place, items))
        self.tree_hash.update(record.body)

    def check_tree(self) -> None:
        """Every level must list exactly what is below it. spec: TRE-1"""
        for part, pages in self.tree.items():
            require([p[0] for p in pages] == sorted(p[0] for p in pages), MALFORMED, "TRE-1", "tree levels are out of order")
            want, top = self.level0[part], pages[-1][0] if pages else 0
            for level in range(top + 1):
                of_level = [p for p in pages if p[0] == level]
                items = [item for page in of_level for item in page[2]]
                require(items == want, MALFORMED, "TRE-1", f"level {level} of tree part {part} does not list what is below it")
                want = [(page[2][0][0] if part == 1 else b"", page[1]) for page in of_level]
            require(len(want) == 1 or not pages, MALFORMED, "TRE-1", f"tree part {part} has no root")

    def roots(self) -> list[tuple[int, int]]:
        return [(pages[-1][1], pages[-1][0]) if pages else (ALL_ONES, 0) for pages in self.tree.values()]
