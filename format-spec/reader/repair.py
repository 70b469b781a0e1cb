"""Repair: an archive as it was, from parity and copies, without a key (spec: chapter 14.1).

Whatever is put into the mended file is proved by a hash, a CRC or the root. The archive is made anew from its first byte
to its last, whatever of it is whole.
"""
from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from typing import Callable, Iterator

from clear import MAGIC, Archive, Header, parse_head, parse_table, u
from parity import INVERSES, coefficient, group_count, multiply, scaled
from wire import DAMAGED, MALFORMED, SECTOR, UNSUPPORTED, Fault, blake3, crc32c, is_zero, require

Check = Callable[[bytes], bool]
MAX_HEAD = 2048 + 65536 + SECTOR


def number(value: int, length: int) -> bytes:
    return value.to_bytes(length, "little")


def all_places(data: bytes, needle: bytes) -> Iterator[int]:
    at = data.find(needle)
    while at >= 0:
        yield at
        at = data.find(needle, at + 1)


# ---- where things should be (chapters 1, 5, 6 and 12) --------------------------------------------------

@dataclass
class Layout:
    """A stripe of an archive of which the number of blocks is known."""
    header: Header
    index: int
    first_block: int
    n: int
    last: bool
    start: int

    def __post_init__(self) -> None:
        self.parity_count = self.header.parity_count(self.n)
        self.shards = self.n + self.parity_count
        self.sectors = self.header.block_size // SECTOR  # of a shard
        self.fixed, self.covered, self.page_len = self.header.page_lens(self.n)
        self.hashes_at = 256 + 4 * (self.covered // SECTOR)
        self.crcs_at = self.hashes_at + 32 * self.shards
        self.copies_at = self.crcs_at + 4 * self.shards * self.sectors
        self.carries_head = self.n >= 16

    def shard_at(self, j: int) -> int:
        return self.start + j * self.header.block_size + (self.page_len if j >= self.n else 0)

    def pages_at(self) -> list[int]:
        first = self.start + self.n * self.header.block_size
        return [first, self.shard_at(self.shards)] if self.parity_count else [first]

    def end(self) -> int:
        return self.pages_at()[-1] + self.page_len

    def page_header(self) -> bytes:
        """The first 256 bytes of the check page."""
        page = (b"BPCP\1" + bytes([self.last, 0, 0]) + number(self.index, 8) + self.header.archive_id + number(self.n, 2) +
                number(self.parity_count, 2) + number(self.page_len, 4) + number(self.covered, 4) + bytes(4) +
                number(self.first_block, 8) + self.header.head_digest)
        return page.ljust(256, b"\0")

    def is_sector_0(self, sector: bytes) -> bool:
        """spec: CHK-1, CHK-2"""
        crc = crc32c(sector[:256] + bytes(4) + sector[260:])
        return sector[:256] == self.page_header() and crc == u(sector, 256, 4)


def first_block_at(header: Header) -> int:
    """F (spec: chapter 1)"""
    return header.head_len + header.slot_area * (4 if header.envelope_len else 2) + header.envelope_len


def layouts(header: Header, block_count: int) -> list[Layout]:
    stripes: list[Layout] = []
    start, full = first_block_at(header), header.full_stripe
    for first in range(0, block_count, full):
        n = min(full, block_count - first)
        stripes.append(Layout(header, len(stripes), first, n, first + n == block_count, start))
        start = stripes[-1].end()
    return stripes


# ---- where things are (RPR-3) --------------------------------------------------------------------------

class Places:
    """A file, read by the offsets that its parts should have."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.shifts: dict[int, list[int]] = {}  # by which displacements what should stand at an offset was found
        self.offsets: list[int] = []

    def found(self, offset: int, place: int) -> None:
        self.shifts.setdefault(offset, []).append(place - offset)
        self.offsets = sorted(self.shifts)

    def candidates(self, offset: int, length: int) -> list[int]:
        before, after = bisect_right(self.offsets, offset), bisect_left(self.offsets, offset + length)
        known = self.offsets[max(before - 1, 0):before] + self.offsets[after:after + 1]
        return list(dict.fromkeys([shift for at in known for shift in self.shifts[at]] + [0]))

    def read(self, offset: int, length: int, shift: int) -> bytes:
        """What is not there is zeros."""
        at = offset + shift
        there = self.data[max(at, 0):max(at + length, 0)]
        return (bytes(min(max(-at, 0), length)) + there).ljust(length, b"\0")

    def likeliest(self, offset: int, length: int) -> bytes:
        return self.read(offset, length, self.candidates(offset, length)[0])

    def find(self, offset: int, length: int, is_right: Check) -> bytes | None:
        reads = (self.read(offset, length, shift) for shift in self.candidates(offset, length))
        return next((data for data in reads if is_right(data)), None)


def find_blocks(places: Places, header: Header, stripes: list[Layout]) -> None:
    """spec: RPR-3"""
    block_count = stripes[-1].first_block + stripes[-1].n
    parity = {stripe.shard_at(stripe.n + p) for stripe in stripes for p in range(min(stripe.parity_count, 2))}
    for place in all_places(places.data, b"BPBK"):
        clear = places.data[place:place + 64]
        index = u(clear, 8, 8)
        good = (len(clear) == 64 and crc32c(clear[:60]) == u(clear, 60, 4) and clear[4] == 1 and clear[16:24] == header.archive_id[:8]
                and is_zero(clear[5:8] + clear[52:60]) and index < block_count and place not in parity)
        if good:
            stripe = stripes[index // header.full_stripe]
            places.found(stripe.shard_at(index - stripe.first_block), place)


# ---- head and counts (RPR-1, RPR-2) --------------------------------------------------------------------

def find_head(data: bytes) -> tuple[Header, bytes]:
    """spec: RPR-1"""
    try:
        header = parse_head(data)
        return header, data[:header.head_len]
    except Fault as fault:
        first = fault
    for place in all_places(data, MAGIC):
        try:
            head = data[place:place + MAX_HEAD].ljust(MAX_HEAD, b"\0")
            header = parse_head(head)
            return header, head[:header.head_len]
        except Fault:
            pass
    raise first


def find_locator(data: bytes, header: Header) -> tuple[bytes, int] | None:
    """The last whole locator of this archive, and where it ends. spec: RPR-2"""
    found = None
    for place in all_places(data, b"BPLOCATE"):
        locator = data[place:place + 256]
        if len(locator) == 256 and crc32c(locator[:252]) == u(locator, 252, 4) and locator[16:32] == header.archive_id:
            require(u(locator, 8, 4) == 1, UNSUPPORTED, "TAL-2", f"locator version {u(locator, 8, 4)}")
            found = locator, place + 256
    return found


def count_blocks(data: bytes, header: Header, locator: bytes | None) -> list[Layout]:
    """All stripes. spec: RPR-2"""
    if locator and u(locator, 40, 8) and u(locator, 40, 8) * header.block_size <= u(locator, 32, 8):
        stripes = layouts(header, u(locator, 40, 8))
        if stripes[-1].end() == u(locator, 32, 8):
            return stripes
    for place in all_places(data, b"BPCP"):
        sector = data[place:place + SECTOR].ljust(SECTOR, b"\0")
        n, first = u(sector, 32, 2), u(sector, 48, 8)
        if 1 <= n <= header.full_stripe and first % header.full_stripe == 0 and first < len(data):
            last = Layout(header, first // header.full_stripe, first, n, True, 0)
            if last.is_sector_0(sector):
                return layouts(header, first + n)
    raise Fault(DAMAGED, "RPR-2", "neither a locator nor the last stripe's check page is left", "tail")


# ---- a stripe (RPR-4 to RPR-7) -------------------------------------------------------------------------

@dataclass
class Listed:
    """What a check page says of a shard; None is what is not known."""
    hash: bytes | None
    crcs: list[int | None]

    def is_proving(self) -> bool:
        return self.hash is not None or None not in self.crcs

    def allows(self, shard: bytes) -> bool:
        """Nothing that is known speaks against it."""
        if self.hash is not None:
            return blake3(shard) == self.hash
        return all(crc in (None, crc32c(shard[t * SECTOR:(t + 1) * SECTOR])) for t, crc in enumerate(self.crcs))


def sums(shard: bytes) -> Listed:
    return Listed(blake3(shard), [crc32c(shard[at:at + SECTOR]) for at in range(0, len(shard), SECTOR)])


def read_page(places: Places, layout: Layout) -> list[bytes | None]:
    """The sectors of the covered part, each from either page. spec: RPR-4, RPR-7"""
    def find(number_: int, is_right: Check) -> bytes | None:
        found = (places.find(at + number_ * SECTOR, SECTOR, is_right) for at in layout.pages_at())
        return next((sector for sector in found if sector is not None), None)

    count = layout.covered // SECTOR
    first = find(0, layout.is_sector_0)
    if first is not None:
        crcs = [u(first, 256 + 4 * i, 4) for i in range(count)]
        return [first] + [find(i, lambda sector, i=i: crc32c(sector) == crcs[i]) for i in range(1, count)]
    sectors: list[bytes | None] = [None]
    for i in range(1, count):
        copies = [places.likeliest(at + i * SECTOR, SECTOR) for at in layout.pages_at()]
        sectors.append(copies[0] if copies[0] == copies[-1] and not is_zero(copies[0]) else None)
    return sectors


@dataclass
class Stripe:
    """One stripe being mended."""
    layout: Layout
    places: Places
    believing: bool  # what no check page proves is right
    shards: list[bytes] = field(default_factory=list)
    solved: dict[tuple[int, int], bytes] = field(default_factory=dict)  # by shard and sector
    lost: dict[int, set[int]] = field(default_factory=dict)  # sectors that are not right, by shard

    def __post_init__(self) -> None:
        self.page = read_page(self.places, self.layout)
        self.listed = [self.list_of(j) for j in range(self.layout.shards)]
        for j in range(self.layout.shards):
            self.read(j)
        self.mend()

    def entry(self, at: int, length: int) -> bytes | None:
        """Bytes of the check page, if they are known."""
        touched = self.page[at // SECTOR:(at + length - 1) // SECTOR + 1]
        if None in touched:
            return None
        return b"".join(touched)[at % SECTOR:at % SECTOR + length]

    def list_of(self, j: int) -> Listed:
        layout = self.layout
        crcs = [self.entry(layout.crcs_at + 4 * (j * layout.sectors + t), 4) for t in range(layout.sectors)]
        return Listed(self.entry(layout.hashes_at + 32 * j, 32), [None if crc is None else u(crc, 0, 4) for crc in crcs])

    def read(self, j: int) -> None:
        """Reads a shard and tells which of its sectors are lost. spec: RPR-5"""
        at, size, listed = self.layout.shard_at(j), self.layout.header.block_size, self.listed[j]

        def is_right(shard: bytes) -> bool:
            return listed.allows(shard) and (self.believing or listed.is_proving())

        shard = self.places.find(at, size, is_right)
        if shard is None:  # where bytes are missing in its middle its sectors stand at two places
            shard, pieces = self.places.likeliest(at, size), []
            for t, crc in enumerate(listed.crcs):
                piece = shard[t * SECTOR:(t + 1) * SECTOR]
                pieces.append(self.places.find(at + t * SECTOR, SECTOR, lambda data, crc=crc: crc32c(data) == crc) or piece)
            shard = b"".join(pieces)
        self.shards.append(shard)
        if not is_right(shard):
            lost = {t for t, crc in enumerate(listed.crcs) if crc != crc32c(shard[t * SECTOR:(t + 1) * SECTOR])}
            self.lost[j] = lost if lost and listed.is_proving() else set(range(self.layout.sectors))

    def sector(self, j: int, t: int) -> bytes:
        return self.solved.get((j, t)) or self.shards[j][t * SECTOR:(t + 1) * SECTOR]

    def mended(self, j: int) -> bytes:
        return b"".join(self.sector(j, t) for t in range(self.layout.sectors))

    def mend(self) -> None:
        """spec: RPR-6"""
        for _ in range(2):
            self.solved.clear()
            for t in range(self.layout.sectors):
                self.solve(t)
            for j, lost in list(self.lost.items()):
                if any((j, t) not in self.solved for t in lost):
                    continue
                if self.listed[j].allows(self.mended(j)):
                    self.shards[j] = self.mended(j)
                    del self.lost[j]
                else:  # a CRC is right by chance, or wrong itself
                    self.lost[j] = set(range(self.layout.sectors))
        self.failed = sorted(self.lost)

    def solve(self, t: int) -> None:
        """The lost sectors of one column of sectors, in each group. spec: chapter 6.1"""
        layout, groups = self.layout, group_count(self.layout.n, self.layout.parity_count)
        missing = {j for j, lost in self.lost.items() if t in lost}
        for group in range(groups):
            members = range(group, layout.shards, groups)
            data = [j for j in members if j < layout.n]
            unknown = [j for j in data if j in missing]
            rows = [s for s in members if s >= layout.n and s not in missing][:len(unknown)]
            if len(rows) < len(unknown):
                continue  # more is lost than there is parity

            def total(row: int, shards: list[int]) -> int:
                result = 0
                for j in shards:
                    result ^= scaled(coefficient(layout.header.rows, row, j), self.sector(j, t))
                return result

            known = [j for j in data if j not in missing]
            matrix, right = [], []
            for s in rows:
                row = (s - layout.n) // groups
                matrix.append([coefficient(layout.header.rows, row, j) for j in unknown])
                right.append(number(int.from_bytes(self.sector(s, t), "little") ^ total(row, known), SECTOR))
            for j, sector in zip(unknown, eliminate(matrix, right)):
                self.solved[j, t] = sector
            for s in members:
                if s >= layout.n and s in missing:
                    self.solved[s, t] = number(total((s - layout.n) // groups, data), SECTOR)

    def covered(self, head: bytes, envelope: bytes) -> bytes:
        """The covered part of the check page. spec: RPR-7"""
        if None not in self.page:
            return b"".join(self.page)
        layout = self.layout
        right = [sums(self.mended(j)) for j in range(layout.shards)]
        page = bytearray(layout.page_header().ljust(layout.hashes_at, b"\0"))
        page += b"".join(listed.hash for listed in right)
        page += b"".join(number(crc, 4) for listed in right for crc in listed.crcs)
        page += head + envelope if layout.carries_head else b""
        page = page.ljust(layout.covered, b"\0")
        for i in range(1, layout.covered // SECTOR):
            page[256 + 4 * i:260 + 4 * i] = number(crc32c(page[i * SECTOR:(i + 1) * SECTOR]), 4)
        page[256:260] = number(crc32c(page[:SECTOR]), 4)
        return bytes(page)


def eliminate(matrix: list[list[int]], right: list[bytes]) -> list[bytes]:
    """Solves matrix * x = right in GF(2^8), where the items of x and right are vectors, by Gaussian elimination."""
    size, right_numbers = len(matrix), [int.from_bytes(data, "little") for data in right]
    length = len(right[0]) if right else 0

    def times(factor: int, vector: int) -> int:
        return scaled(factor, number(vector, length))

    for column in range(size):
        pivot = next(row for row in range(column, size) if matrix[row][column])
        matrix[column], matrix[pivot] = matrix[pivot], matrix[column]
        right_numbers[column], right_numbers[pivot] = right_numbers[pivot], right_numbers[column]
        inverse = INVERSES[matrix[column][column]]
        matrix[column] = [multiply(inverse, value) for value in matrix[column]]
        right_numbers[column] = times(inverse, right_numbers[column])
        for row in range(size):
            factor = matrix[row][column]
            if row != column and factor:
                matrix[row] = [a ^ multiply(factor, b) for a, b in zip(matrix[row], matrix[column])]
                right_numbers[row] ^= times(factor, right_numbers[column])
    return [number(value, length) for value in right_numbers]


# ---- the whole archive -----------------------------------------------------------------------------------

@dataclass
class Result:
    mended: bytes = b""  # empty if something is lost
    root: bytes = b""
    lost: list[str] = field(default_factory=list)
    lost_blocks: list[int] = field(default_factory=list)

    def as_dict(self) -> dict:
        return {"result": "lost" if self.lost else "repaired", "root": self.root.hex(), "length": len(self.mended),
                "lost_blocks": self.lost_blocks, "lost": self.lost}


class Repair:
    """One damaged file; `run` mends it."""

    def __init__(self, data: bytes, count: Callable[[bytes, Header, bytes | None], list[Layout]] = count_blocks) -> None:
        self.header, self.head = find_head(data)
        h = self.header
        locator = find_locator(data, h)
        self.stripes = count(data, h, locator[0] if locator else None)
        self.block_count = self.stripes[-1].first_block + self.stripes[-1].n
        self.tail_at = self.stripes[-1].end()
        self.copies_len = h.head_len + h.slot_area * (2 if h.envelope_len else 1) + h.envelope_len
        if locator and u(locator[0], 40, 8) != self.block_count:
            locator = None
        self.locator = locator[0] if locator else None
        self.places = Places(data)
        find_blocks(self.places, h, self.stripes)
        if locator:
            length = u(locator[0], 12, 4)
            starts = [locator[1] - self.tail_len(length)] + ([locator[1] - length] if h.signers else [])  # that of the first page
            for start in starts:
                if start >= 0:
                    self.places.found(self.tail_at, start)
        self.find_tail_page(data[max(locator[1] - u(locator[0], 12, 4), 0):locator[1]] if locator else b"")
        self.data_table = self.newest_table(b"BPSD")
        self.envelope_table = self.newest_table(b"BPSE") if h.envelope_len else b""
        self.envelope = self.find_envelope() if h.envelope_len else b""

    def tail_len(self, page_len: int) -> int:
        return self.copies_len + page_len * (2 if self.header.signers else 1)

    # ---- what stands before and behind the stripes (RPR-8, RPR-9) ----

    def find_tail_page(self, with_locator: bytes) -> None:
        """A whole tail page, and the roots that tail pages and locators name. spec: RPR-7, RPR-9"""
        lengths = [u(self.locator, 12, 4)] if self.locator else range(SECTOR, 65537, SECTOR)
        self.tail_page, self.roots, self.weak_roots = None, set(), set()
        if self.locator:
            self.roots.add(self.locator[48:80])
            self.tail_page = with_locator if self.is_tail_page(with_locator) else None
        for length in lengths:
            first = [self.tail_at] if self.header.signers else []
            for at in first + [self.tail_at + self.tail_len(length) - length]:
                page = self.places.find(at, length, self.is_tail_page)
                if page:
                    self.tail_page = self.tail_page or page
                    self.roots.add(page[80:112])
                else:
                    page = self.places.likeliest(at, length)
                    self.weak_roots |= {page[80:112], page[-208:-176]} if page[:4] == b"BPTP" else set()

    def is_tail_page(self, page: bytes) -> bool:
        """Whole in itself, and of this archive. spec: TAL-1, TAL-2"""
        locator = page[-256:]
        return (page[:128] == self.tail_fields(len(page), page[80:112], u(page, 112, 4)) and
                locator == self.locator_of(page[:-256]))

    def tail_fields(self, length: int, root: bytes, signatures_len: int) -> bytes:
        h = self.header
        return (b"BPTP" + number(length, 4) + h.archive_id + number(self.block_count, 8) + number(len(self.stripes), 8) +
                number(self.tail_at + self.tail_len(length), 8) + h.head_digest + root + number(signatures_len, 4) + bytes(12))

    def locator_of(self, body: bytes) -> bytes:
        locator = (b"BPLOCATE" + number(1, 4) + body[4:8] + self.header.archive_id + number(self.tail_at, 8) +
                   number(self.block_count, 8) + body[80:112] + blake3(body)).ljust(252, b"\0")
        return locator + number(crc32c(locator), 4)

    def copies(self, in_start: int, in_tail: int, in_page: int) -> list[int]:
        """The offsets at which copies of a part stand, when it stands there in start, tail and check page."""
        pages = [at + in_page for layout in self.stripes if layout.carries_head for at in layout.pages_at()]
        page_len = len(self.tail_page or bytes(u(self.locator, 12, 4) if self.locator else SECTOR))
        return [in_start, self.tail_at + (page_len if self.header.signers else 0) + in_tail] + pages

    def newest_table(self, domain: bytes) -> bytes | None:
        """spec: RPR-8"""
        h, envelope = self.header, domain == b"BPSE"
        start = h.head_len + (2 * h.slot_area if envelope else 0)
        skip = h.slot_area if envelope else 0
        in_page = next((layout.covered for layout in self.stripes if layout.carries_head), 0) + skip
        places, best = self.copies(start, h.head_len + skip, in_page), None
        last = self.stripes[-1]
        if last.carries_head:  # the last stripe's covered_len is its own
            places += [at + last.covered + skip for at in last.pages_at()]
        for at in places + [start + h.slot_area]:
            table = self.whole_table(at, domain)
            if table and (best is None or u(table, 4, 4) > u(best, 4, 4)):
                best = table
        return best

    def whole_table(self, at: int, domain: bytes) -> bytes | None:
        def is_whole(data: bytes) -> bool:
            try:
                parse_table(data, domain, self.header.archive_id)
                return True
            except Fault:
                return False
        return self.places.find(at, self.header.slot_area, is_whole)

    def find_envelope(self) -> bytes | None:
        """spec: RPR-8"""
        h = self.header
        start = h.head_len + 4 * h.slot_area
        places = self.copies(start, h.head_len + 2 * h.slot_area, 0)[:2]
        places += [at + layout.copies_at + h.head_len for layout in self.stripes if layout.carries_head for at in layout.pages_at()]
        found = (self.places.find(at, h.envelope_len, lambda data: blake3(data) == h.envelope_hash) for at in places)
        return next((body for body in found if body), None)

    # ---- mending ----

    def run(self) -> Result:
        result = Result()
        for believing in (True, False):  # spec: RPR-7
            result, needs_root = self.attempt(believing)
            if not result.lost or not needs_root:
                break
        if not result.lost:
            try:
                Archive(result.mended).check_parity()
            except Fault as fault:
                result.lost.append(f"{fault.rule}: {fault.message}")
        return result

    def attempt(self, believing: bool) -> tuple[Result, bool]:
        h, result = self.header, Result()
        for part, name in ((self.data_table, "data slots"), (self.envelope_table, "envelope slots"), (self.envelope, "the envelope")):
            if part is None:
                result.lost.append(f"{name} are damaged at all places")
        data_table, envelope_table, envelope = self.data_table or b"", self.envelope_table or b"", self.envelope or b""
        out = [self.head, data_table, data_table, envelope_table, envelope_table, envelope]
        digests, needs_root = [], False
        for layout in self.stripes:
            stripe = Stripe(layout, self.places, believing)
            result.lost_blocks += [layout.first_block + j for j in stripe.failed if j < layout.n]
            result.lost += [f"shard {j} of stripe {layout.index}" for j in stripe.failed]
            needs_root |= None in stripe.page
            covered = stripe.covered(self.head, envelope)
            digests.append(blake3(covered))
            shards = [stripe.mended(j) for j in range(layout.shards)]
            out += shards[:layout.n] + [covered, self.page_tables(layout, 0)]
            if layout.parity_count:
                out += shards[layout.n:] + [covered, self.page_tables(layout, 1)]
        result.root = blake3(b"bakpak/1 root" + h.head_digest + h.archive_id + number(self.block_count, 8) +
                             number(len(self.stripes), 8) + b"".join(digests))
        known = self.roots | self.weak_roots
        if not result.lost and result.root not in known and (self.roots or needs_root):
            result.lost.append("the root does not confirm it")
        out += self.tail(result)
        if not result.lost:
            result.mended = b"".join(out)
        return result, needs_root

    def page_tables(self, layout: Layout, which: int) -> bytes:
        """Tables behind the covered part; an older one that is whole stays. spec: RPR-8"""
        if not layout.carries_head:
            return b""
        at, size = layout.pages_at()[which] + layout.covered, self.header.slot_area
        tables = [self.whole_table(at, b"BPSD") or self.data_table or b""]
        if self.header.envelope_len:
            tables.append(self.whole_table(at + size, b"BPSE") or self.envelope_table or b"")
        return b"".join(tables)

    def tail(self, result: Result) -> list[bytes]:
        """spec: RPR-8, RPR-9"""
        h, page = self.header, self.tail_page
        if page is None:
            if h.signers:
                result.lost.append("both tail pages of a signed archive are damaged")
                return []
            body = self.tail_fields(SECTOR, result.root, 0).ljust(SECTOR - 256, b"\0")
            if self.locator and self.locator[80:112] != blake3(body):
                result.lost.append("the tail page held signatures, or more, and is damaged")
            page = body + self.locator_of(body)
        at = self.tail_at + (len(page) if h.signers else 0) + h.head_len
        tables = [self.whole_table(at, b"BPSD") or self.data_table or b""]
        if h.envelope_len:
            tables.append(self.whole_table(at + h.slot_area, b"BPSE") or self.envelope_table or b"")
        first = [page] if h.signers else []
        return first + [self.head] + tables + [self.envelope or b"", page]


def repair(data: bytes) -> Result:
    """Raises a Fault where nothing says what archive it was. spec: RPR-1 to RPR-9"""
    return Repair(data).run()
