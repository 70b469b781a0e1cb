"""Salvage: what is left of a damaged archive, and what became of each of its entries (spec: chapter 14.2).

Whatever counts has authenticated: blocks open at a place where they are found, or made from parity. The stream is read as
far as it is there; behind missing bytes, from the next place at which rows or chunks say that an entry begins.
"""
from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

from clear import Header, Keys, open_domain, parse_table, u
from entries import (BLOCK_DEVICE, CHAR_DEVICE, FIFO, FILE, HARD_LINK, MAX_SIZE, PART_SIZE, SYMLINK, Entry, decode_entry,
                     octal)
from repair import Layout, Repair, Stripe, all_places, count_blocks, first_block_at, layouts
from sealed import (CATALOGUE_PAGE, CHUNK, COPY, FACTS, FINAL, LITERAL, NO_RECORD, PARTED, SPARSE, SUPERSEDED, TREE_PAGE,
                    UNREADABLE, ZERO, parse_script, raw_bytes)
from wire import (ALL_ONES, DAMAGED, LIMIT, MALFORMED, MIB, UNSUPPORTED, Fault, Fields, blake3_hasher, crc32c, gcm_open, is_zero,
                  require, zstd_open)

HOLE = -1  # as the bytes of a stretch: zeros, though not given by ZERO
WHOLE, UNCONFIRMED, BROKEN, LOST, UNREAD = "whole", "unconfirmed", "damaged", "lost", "unreadable"
# A stretch of the stream or of the data space: begin, end, and its bytes; ZERO stands for zeros and None for missing ones.
Stretch = tuple[int, int, bytes | int | None]
Range = tuple[int, int]


# ---- blocks (SLV-1, SLV-2) -----------------------------------------------------------------------------------

class End:
    """How many blocks there were. spec: SLV-1"""
    known = True

    def count(self, data: bytes, header: Header, locator: bytes | None) -> list[Layout]:
        most = 64 * (len(data) // header.block_size + 1)
        try:
            stripes = count_blocks(data, header, locator)
            if stripes[-1].first_block + stripes[-1].n <= most:
                return stripes
        except Fault:
            pass
        self.known, last = False, 0
        for place in all_places(data, b"BPBK"):
            clear = data[place:place + 64]
            good = (len(clear) == 64 and crc32c(clear[:60]) == u(clear, 60, 4) and clear[4] == 1 and
                    clear[16:24] == header.archive_id[:8] and is_zero(clear[5:8] + clear[52:60]) and u(clear, 8, 8) < most)
            last = max(last, u(clear, 8, 8) // header.full_stripe) if good else last
        stripes, full = [], header.full_stripe
        start = first_block_at(header)
        for index in range(last + 1):
            stripes.append(Layout(header, index, index * full, full, False, start))
            start = stripes[-1].end()
        return stripes


@dataclass
class Plain:
    """An opened block."""
    used: int
    first: int
    payload: bytes


def open_block(header: Header, keys: Keys, number: int, block: bytes) -> Plain | None:
    """None if it is not left. spec: BLK-4 to BLK-6, SLV-2"""
    if len(block) < header.block_size or block[:4] != b"BPBK" or u(block, 8, 8) != number:
        return None
    stripe = number // header.full_stripe
    key = keys.subkey(b"bakpak/1 stripe", stripe.to_bytes(8, "little") + block[24:40])
    plain = gcm_open(key, block[40:52], block[64:], block[:64] + header.archive_id + header.head_digest)
    if plain is None:
        return None
    used, first = u(plain, 0, 4), u(plain, 4, 4)
    good = used <= header.payload_size and is_zero(plain[8:16] + plain[16 + used:]) and (first == NO_RECORD or first < used)
    return Plain(used, first, plain[16:16 + used]) if good else None


def left_blocks(mended: Repair, keys: Keys, layout: Layout) -> list[Plain | None]:
    """The blocks of a stripe that are left. spec: SLV-2"""
    header, size, found = mended.header, mended.header.block_size, []
    for j in range(layout.n):
        at, number = layout.shard_at(j), layout.first_block + j
        reads = (mended.places.read(at, size, shift) for shift in mended.places.candidates(at, size))
        opened = (open_block(header, keys, number, block) for block in reads)
        found.append(next((plain for plain in opened if plain), None))
    for believing in (False, True):
        if None not in found or not (layout.parity_count or size > 4096):
            break
        stripe = Stripe(layout, mended.places, believing)
        found = [plain or open_block(header, keys, layout.first_block + j, stripe.mended(j)) for j, plain in enumerate(found)]
    return found


def check_kind(kind: int, flags: int, version: int) -> None:
    """spec: REC-2, REC-3"""
    is_known = CHUNK <= kind <= TREE_PAGE
    require(not is_known or flags == (kind != FACTS), MALFORMED, "REC-2", f"record type {kind} with a wrong critical flag")
    require(is_known or not flags, UNSUPPORTED, "REC-2", f"unknown critical record type {kind}")
    require(version == 1 or not flags, UNSUPPORTED, "REC-3", f"record type {kind} in version {version}")


def records(blocks: list[Plain | None], faults: list[str]) -> Iterator[tuple[int, bytes]]:
    """Type and body of the records of a stripe that are left; what is wrong with headers joins the faults. spec: SLV-2, SLV-6"""
    j, buffer = 0, bytearray()
    while j < len(blocks):
        block = blocks[j]
        if block is None or block.first == NO_RECORD or block.first > block.used:
            j += 1
            continue
        buffer[:] = block.payload[block.first:]
        at, j = 0, j + 1
        while True:  # from record to record, until a block is not left
            def fill(length: int) -> bool:
                nonlocal j
                while len(buffer) - at < length and j < len(blocks) and blocks[j] is not None:
                    buffer.extend(blocks[j].payload)
                    j += 1
                return len(buffer) - at >= length

            if not fill(16):
                break
            kind, flags, version, body_len = (u(buffer, at + i, n) for i, n in ((0, 2), (2, 2), (4, 2), (8, 4)))
            if body_len > 16 * MIB - 16 or flags > 1 or not is_zero(buffer[at + 6:at + 8] + buffer[at + 12:at + 16]):
                faults.append("REC-2, REC-4: a record's header")
                break
            if not fill(16 + body_len):
                break
            body = bytes(buffer[at + 16:at + 16 + body_len])
            at += 16 + body_len
            try:
                check_kind(kind, flags, version)
            except Fault as fault:
                faults.append(str(fault))
                continue
            if version == 1:
                yield kind, body


# ---- chunks and the stream (SLV-2, SLV-3) -----------------------------------------------------------------------

class Space:
    """Stretches in ascending order, not overlapping; what is between them is missing."""

    def __init__(self) -> None:
        self.begins: list[int] = []
        self.stretches: list[Stretch] = []

    def end(self) -> int:
        return self.stretches[-1][1] if self.stretches else 0

    def add(self, begin: int, end: int, data: bytes | int | None) -> None:
        if begin < end:
            self.begins.append(begin)
            self.stretches.append((begin, end, data))

    def read(self, begin: int, end: int) -> Iterator[Stretch]:
        """All of [begin, end)."""
        i = max(bisect_right(self.begins, begin) - 1, 0)
        while begin < end:
            while i < len(self.stretches) and self.stretches[i][1] <= begin:
                i += 1
            a, b, data = self.stretches[i] if i < len(self.stretches) else (end, end, None)
            if begin < a:
                yield begin, min(a, end), None
                begin = min(a, end)
                continue
            till = min(b, end)
            yield begin, till, data[begin - a:till - a] if isinstance(data, bytes) else data
            begin = till

    def bytes(self, begin: int, end: int) -> bytes | None:
        """None if any is missing."""
        out = bytearray()
        for a, b, data in self.read(begin, end):
            if data is None:
                return None
            out += data if isinstance(data, bytes) else bytes(b - a)
        return bytes(out)


class Content:
    """Stream and data space of the chunks that are left."""

    def __init__(self, header: Header) -> None:
        self.header, self.stream, self.data = header, Space(), Space()
        self.stream_end = self.data_end = 0
        self.starts: list[int] = []  # first_entry of the chunks

    def chunk(self, body: bytes) -> None:
        """Raises a Fault if the chunk is not left. spec: SLV-2, chapter 8"""
        f, h = Fields(body), self.header
        stream_offset, data_offset, stream_len, first_entry = f.u64(), f.u64(), f.u64(), f.u64()
        raw_len, count, script_len, compression = f.u32(), f.u32(), f.u32(), f.u8()
        require(stream_offset >= self.stream_end and data_offset >= self.data_end, MALFORMED, "CHU-1", "it begins too soon")
        require(stream_offset + stream_len <= ALL_ONES and data_offset + raw_len <= ALL_ONES, MALFORMED, "CHU-1", "it ends beyond 2^64")
        require(raw_len <= h.chunk_size, LIMIT, "CHU-4", f"raw_len {raw_len}")
        require(count <= 65536, LIMIT, "CHU-5", f"{count} instructions")
        script = parse_script(f.raw(script_len), count) or [(LITERAL, raw_len, 0)]
        require(stream_len > 0 and sum(n for _, n, _ in script) == stream_len, MALFORMED, "CHU-2", "stream_len")
        inside = stream_offset <= first_entry < stream_offset + stream_len
        require(first_entry == ALL_ONES or inside, MALFORMED, "CHU-3", "first_entry is outside of the stretch")
        require(sum(n for op, n, _ in script if op == LITERAL) == raw_len, MALFORMED, "CHU-2", "raw_len")
        for op, n, source in script:
            good = op != COPY or 0 <= source and source + n <= data_offset
            require(good, MALFORMED, "CHU-7", "a COPY from outside of the data space so far")
            good = op != COPY or h.copy_reach == ALL_ONES or data_offset - source <= h.copy_reach
            require(good, MALFORMED, "CHU-8", "a COPY beyond copy_reach")
        require(compression <= 1, UNSUPPORTED, "CHU-6", f"compression {compression}")
        raw = raw_bytes(compression, f.raw(f.left()), raw_len)
        at, raw_at = stream_offset, 0
        for op, n, source in script:
            if op == LITERAL:
                self.stream.add(at, at + n, raw[raw_at:raw_at + n])
                raw_at += n
            elif op == ZERO:
                self.stream.add(at, at + n, ZERO)
            else:
                for a, b, data in self.data.read(source, source + n):
                    self.stream.add(at + a - source, at + b - source, data)
            at += n
        self.data.add(data_offset, data_offset + raw_len, raw)
        self.stream_end, self.data_end = at, data_offset + raw_len
        if first_entry != ALL_ONES:
            self.starts.append(first_entry)


@dataclass
class Row:
    path: bytes
    kind: int
    flags: int
    size: int
    link: bytes
    content_hash: bytes
    header_offset: int
    content_offset: int


def page_rows(body: bytes) -> list[Row]:
    """What shows in a page alone. spec: chapter 11"""
    head = Fields(body)
    count, raw_len = head.u32(), head.u32()
    require(raw_len <= MIB, LIMIT, "CAT-2", f"a catalogue page of {raw_len} bytes")
    require(count > 0, MALFORMED, "CAT-1", "a catalogue page without rows")
    f, rows = Fields(zstd_open(head.raw(head.left()), raw_len, "CAT-2")), []
    for _ in range(count):
        path, kind, flags, size = f.bytes(), f.u8(), f.u16(), f.u64()
        f.raw(8)
        nanos, _ = f.u32(), f.raw(4 + 8 + 8)
        row = Row(path, kind, flags, size, f.bytes(), f.raw(32), f.u64(), f.u64())
        require(kind <= FIFO and flags < 1 << 6 and nanos < 10**9, MALFORMED, "CAT-1", "a row's kind, flags or time")
        require(kind == FILE or size == 0 and is_zero(row.content_hash), MALFORMED, "CAT-1", "a row with content of no file")
        require((kind in (HARD_LINK, SYMLINK)) == bool(row.link), MALFORMED, "CAT-1", "a row with a link that is none")
        rows.append(row)
    f.end()
    return rows


# ---- entries (SLV-4, SLV-5) ----------------------------------------------------------------------------------------

@dataclass
class Left:
    """What is left of an entry."""
    path: bytes
    kind: int
    link: bytes = b""
    row: Row | None = None
    header_left: bool = False
    size: int | None = None  # logical; None if it is not known
    content: list[Stretch] = field(default_factory=list)  # by logical offsets, all of what is known of it
    unplaced: bool = False  # nothing says where its content is
    parts: int = 0  # the last part seen, of an entry without row
    may_go_on: bool = True  # what stands behind that part is missing
    verdict: str = ""
    missing: list[Range] = field(default_factory=list)

    def is_superseded(self) -> bool:
        return self.row is not None and bool(self.row.flags & SUPERSEDED)

    def judge(self) -> None:
        """spec: SLV-5; of hard links, `Salvage.judge_link`."""
        if self.row and self.row.flags & UNREADABLE:
            self.verdict = UNREAD
            return
        if self.kind != FILE:
            lost = self.kind in (CHAR_DEVICE, BLOCK_DEVICE) and not self.header_left
            self.verdict = LOST if lost else WHOLE
            return
        self.find_missing()
        left = sum(b - a for a, b, data in self.content if data is not None)
        if self.missing or self.size is None:
            self.verdict = BROKEN if left else LOST
        elif self.row:
            self.verdict = WHOLE if self.hash() == self.row.content_hash else BROKEN
        else:
            self.verdict = BROKEN if self.content and self.content[-1][2] == ZERO else UNCONFIRMED

    def find_missing(self) -> None:
        at = 0
        for a, b, data in self.content + [(self.size, self.size, b"")] * (self.size is not None):
            gaps = [(at, a)] * (at < a) + [(a, b)] * (data is None and a < b)
            for gap in gaps:
                if self.missing and self.missing[-1][1] == gap[0]:
                    gap = (self.missing.pop()[0], gap[1])
                self.missing.append(gap)
            at = b

    def hash(self) -> bytes:
        hasher = blake3_hasher()
        for a, b, data in self.content:
            if isinstance(data, bytes):
                hasher.update(data)
                continue
            for at in range(a, b, MIB):
                hasher.update(bytes(min(MIB, b - at)))
        return hasher.digest()


class Entries:
    """Walks over the stream."""

    def __init__(self, stream: Space, rows: list[Row], starts: list[int], stream_end: int) -> None:
        self.stream, self.stream_end = stream, stream_end
        self.rows = {row.header_offset: row for row in rows}
        self.places = sorted({row.header_offset for row in rows} | set(starts))
        self.found: list[Left] = []
        self.total = 0
        self.ended_whole: Left | None = None
        pos = 0
        while pos is not None and pos < ALL_ONES:
            pos = self.entry(pos)

    def next_place(self, pos: int) -> int | None:
        """Where the stream is understood again. spec: SLV-4"""
        i = bisect_right(self.places, pos)
        return self.places[i] if i < len(self.places) else None

    def header_at(self, pos: int) -> tuple[Entry, int] | None:
        """The entry whose headers stand there, and where its content begins; None if any byte of them is missing."""
        x = self.stream.bytes(pos, pos + 512)
        if x is None or x[156:157] != b"x":
            return None
        try:
            pax_len = octal(x, 124, 11)
            at = pos + 512 + -(-pax_len // 512) * 512
            pax, block = self.stream.bytes(pos + 512, pos + 512 + pax_len) if pax_len <= MIB else None, self.stream.bytes(at, at + 512)
            return (decode_entry(x, pax, block), at + 512) if pax is not None and block is not None else None
        except Fault:
            return None

    def entry(self, pos: int) -> int | None:
        """One entry; returns where the next one begins, if there may be one."""
        row, header = self.rows.get(pos), self.header_at(pos)
        if not header and not row:
            x = self.stream.bytes(pos, pos + 512)
            self.close_parts(bool(x) and is_zero(x))
            if self.found:
                self.found[-1].may_go_on = True
            return self.next_place(pos)
        self.total += header[0].size if header else 0
        require(self.total < MAX_SIZE, LIMIT, "ENT-9", "the sum of the sizes is not below 2^60")
        if header and header[0].part and not row:
            return self.part(*header)
        self.close_parts(True)
        if not header:
            return self.from_row(row)
        entry, at = header
        row = row if entry.part or row and row.path == entry.path else None
        left = Left(entry.path, entry.kind, entry.link, row, True)
        self.found.append(left)
        if row and row.flags & PARTED:
            return self.parts(left, row)
        if entry.kind != FILE:
            return at
        left.size = entry.size
        if entry.sparse:
            self.sparse(left, at, entry.content_len)
        else:
            left.content = self.logical(at, entry.content_len, 0)
        return at + -(-entry.content_len // 512) * 512

    def logical(self, at: int, length: int, offset: int) -> list[Stretch]:
        """A stretch of the stream as content from a logical offset on."""
        return [(a - at + offset, b - at + offset, data) for a, b, data in self.stream.read(at, at + length)]

    def from_row(self, row: Row) -> int | None:
        """An entry whose header is missing. spec: SLV-4"""
        left = Left(row.path, row.kind, row.link, row)
        self.found.append(left)
        if row.kind != FILE:
            return row.content_offset
        left.size = row.size
        if row.flags & SPARSE:
            return self.next_place(row.content_offset - 1)
        if row.flags & PARTED:
            return self.parts(left, row)
        left.content = self.logical(row.content_offset, row.size, 0)
        return row.content_offset + -(-row.size // 512) * 512

    # ---- parts (chapter 10.4) ----

    def parts(self, left: Left, row: Row) -> int:
        """An entry in parts whose row is left: all headers are of one length."""
        header_len, at, offset = row.content_offset - row.header_offset, row.header_offset, 0
        left.size = row.size
        while offset < row.size:
            length = min(PART_SIZE, row.size - offset)
            left.content += self.logical(at + header_len, length, offset)
            at, offset = at + header_len + -(-length // 512) * 512, offset + length
        return at

    def part(self, entry: Entry, at: int) -> int:
        """A part of an entry without row."""
        left = self.found[-1] if self.found else None
        if not (left and left.parts and left.path == entry.path and left.parts < entry.part and left.size is None):
            self.close_parts(True)
            left = Left(entry.path, FILE, header_left=True)
            self.found.append(left)
        left.parts, left.may_go_on = entry.part, False
        offset = (entry.part - 1) * PART_SIZE
        left.content += self.logical(at, entry.size, offset)
        if entry.size < PART_SIZE:
            left.size = offset + entry.size
        return at + -(-entry.size // 512) * 512

    def close_parts(self, is_end: bool) -> None:
        """If what stands behind is another entry, or the end of the stream, the last part so far is the last."""
        left = self.found[-1] if self.found else None
        if is_end and left and left.parts and left.size is None and not left.may_go_on:
            left.size = left.content[-1][1]

    # ---- sparse files (chapter 10.3) ----

    def sparse(self, left: Left, at: int, content_len: int) -> None:
        """Nothing is placed if a byte of the map is missing."""
        text, end = b"", at
        while True:
            if end >= at + content_len:
                return
            more = self.stream.bytes(end, end + 512)
            if more is None:
                return
            text, end = text + more, end + 512
            numbers = text.split(b"\n")[:-1]
            if numbers and len(numbers) > 2 * int(numbers[0]):
                break
        extents = [int(n) for n in numbers[1:2 * int(numbers[0]) + 1]]
        logical = 0
        for offset, length in zip(extents[::2], extents[1::2]):
            if logical < offset:
                left.content.append((logical, offset, HOLE))
            left.content += self.logical(end, length, offset)
            logical, end = offset + length, end + length


# ---- the whole archive -------------------------------------------------------------------------------------------------

@dataclass
class Report:
    """What salvage says."""
    complete: bool
    end_known: bool
    whole: int
    unnamed: int | None  # None if FINAL is not left
    entries: list[Left]  # those that are not whole

    def as_dict(self) -> dict:
        entries = []
        for left in self.entries:
            told = {"path": left.path.decode("utf-8", "surrogateescape"), "verdict": left.verdict}
            if left.kind == FILE and left.size is not None:
                told["size"] = left.size
            if left.verdict in (BROKEN, LOST) and left.kind == FILE:
                ranges = [[a, b - a] for a, b in left.missing]
                told |= {"missing": ranges} if ranges else {}
            entries.append(told)
        out = {"salvage": "complete" if self.complete else "partial", "end_known": self.end_known, "whole": self.whole}
        if self.unnamed is not None:
            out["unnamed"] = self.unnamed
        return out | {"entries": entries}


def judge_links(found: list[Left]) -> None:
    """spec: SLV-5"""
    files = {left.path: left.verdict for left in found if left.kind == FILE}
    for left in found:
        if left.kind == HARD_LINK:
            left.verdict = files.get(left.link, LOST)


@dataclass
class Final:
    """What of FINAL counts here."""
    stream_len: int
    block_count: int
    row_count: int


def read_final(body: bytes) -> Final:
    """spec: FIN-1"""
    f = Fields(body)
    stream_len, _, block_count, _, row_count, _, flags = f.u64(), f.u64(), f.u64(), f.u64(), f.u64(), f.u64(), f.u32()
    (_, started), (_, finished) = (f.i64(), f.u32()), (f.i64(), f.u32())
    trees = [(f.u64(), f.u8()) for _ in range(3)]
    f.raw(32)
    f.end()
    require(flags <= 3 and max(started, finished) < 10**9, MALFORMED, "FIN-1", "FINAL: flags or times")
    require(all(level == 0 for place, level in trees if place == ALL_ONES), MALFORMED, "FIN-1", "FINAL: an empty tree with a level")
    require(max(level for _, level in trees) <= 3, LIMIT, "TRE-1", "FINAL: a tree's level")
    return Final(stream_len, block_count, row_count)


def salvage(data: bytes, key_secrets: list[bytes], passphrases: list[bytes]) -> Report:
    """Raises a Fault where there is no head, no slot table or no key. spec: SLV-1 to SLV-6"""
    end = End()
    mended = Repair(data, end.count)
    header = mended.header
    if mended.data_table is None:
        raise Fault(DAMAGED, "SLV-1", "no data slot table is left", "slots")
    keys = open_domain(header, parse_table(mended.data_table, b"BPSD", header.archive_id), key_secrets, passphrases)
    content, rows, final, blocks_left, faults = Content(header), [], None, [], []
    for layout in mended.stripes:
        blocks = left_blocks(mended, keys, layout)
        blocks_left += [block is not None for block in blocks]
        for kind, body in records(blocks, faults):
            try:
                if kind == CHUNK:
                    content.chunk(body)
                elif kind == CATALOGUE_PAGE:
                    rows += page_rows(body)
                elif kind == FINAL:
                    final = read_final(body)
            except Fault as fault:  # what breaks its rules is not left
                faults.append(str(fault))
    entries = Entries(content.stream, rows, content.starts, content.stream_end)
    entries.close_parts(False)
    named = len(entries.found)
    found = [left for left in entries.found if not left.is_superseded()]
    for left in found:
        left.judge()
    judge_links(found)
    not_whole = [left for left in found if left.verdict != WHOLE]
    end_known = end.known or final is not None
    unnamed = max(final.row_count - named, 0) if final else None
    has_envelope = not header.envelope_len or bool(mended.envelope and mended.envelope_table)
    complete = not faults and has_envelope and final is not None and is_all_left(content, final, blocks_left) and unnamed == 0 and all(
        left.verdict == UNREAD for left in not_whole)
    return Report(complete, end_known, len(found) - len(not_whole), unnamed, not_whole)


def is_all_left(content: Content, final: Final, blocks_left: list[bool]) -> bool:
    """spec: SLV-6"""
    stream_left = all(data is not None for _, _, data in content.stream.read(0, final.stream_len))
    return stream_left and len(blocks_left) >= final.block_count and all(blocks_left[:final.block_count])
