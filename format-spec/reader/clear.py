"""What can be checked without a key (spec: chapters 1 to 6 and 12, RDR-1), and how a key is found (chapter 3).

`Archive(data)` walks over the whole file from its beginning to its end and refuses the first fault.
"""
from __future__ import annotations

from dataclasses import dataclass, field

from parity import parity_blocks
from wire import (DAMAGED, LIMIT, MALFORMED, MIB, NO_KEY_FITS, NOT_AUTHENTIC, SECTOR, TRUNCATED, UNSUPPORTED,
                  Fault, Fields, argon2id, blake3, crc32c, expand, extract, gcm_open, is_zero, mac, require, same)

MAGIC = b"bakpak archive "
VERSION = b"1-draft"
HEADER_AT = 2048
PARITY_ROWS = (0, 4, 8, 16, 32)  # m, by parity_geometry (spec: chapter 5)


def u(data: bytes, offset: int, length: int) -> int:
    return int.from_bytes(data[offset:offset + length], "little")


# ---- head page and header (chapter 2) ----------------------------------------------------------------

@dataclass
class Header:
    archive_id: bytes
    block_size: int
    rows: int  # m
    slot_area: int
    chunk_size: int
    envelope_len: int
    copy_reach: int
    salt: bytes
    archive_commitment: bytes
    envelope_commitment: bytes
    envelope_hash: bytes
    signers: int  # how many are declared
    head_len: int
    head_digest: bytes
    mac_covers: bytes
    mac: bytes

    @property
    def payload_size(self) -> int:
        return self.block_size - 96

    @property
    def full_stripe(self) -> int:
        """Data blocks of a full stripe."""
        return 510 - 2 * self.rows

    def parity_count(self, n: int) -> int:
        """P (spec: chapter 5)"""
        if not self.rows:
            return 0
        count = max(2, -(-n * self.rows // (255 - self.rows)))
        return count + count % 2 if n + count > 255 else count

    def page_lens(self, n: int) -> tuple[int, int, int]:
        """Bytes behind the list of a check page's own CRCs, covered_len and C. spec: chapter 6"""
        shards, carries = n + self.parity_count(n), n >= 16
        fixed = 32 * shards + 4 * shards * (self.block_size // SECTOR) + (self.head_len + self.envelope_len if carries else 0)
        sectors = 1
        while 256 + 4 * sectors + fixed > sectors * SECTOR:
            sectors += 1
        covered = sectors * SECTOR
        return fixed, covered, covered + (self.slot_area * (2 if self.envelope_len else 1) if carries else 0)


def whole_locator(data: bytes) -> bytes | None:
    """The locator at the end of the file; None if there is no whole one (spec: TAL-2)."""
    locator = bytes(data[-256:])
    good = len(locator) == 256 and locator[:8] == b"BPLOCATE" and crc32c(locator[:252]) == u(locator, 252, 4)
    return locator if good else None


def missing(data: bytes, stage: str) -> Fault:
    """spec: FIL-1. A file with a whole locator at its end is not cut: its middle is missing."""
    return Fault(DAMAGED if whole_locator(data) else TRUNCATED, "FIL-1", f"the file ends at {len(data)}, too early", stage)


def parse_head(data: bytes) -> Header:
    """spec: HED-1 to HED-4, HDR-1 to HDR-9, in the order that stands below HDR-9."""
    def need(end: int) -> None:
        if len(data) < end:
            raise missing(data, "head")

    if data[:15] != MAGIC:  # HED-1
        if len(data) < 15 and MAGIC.startswith(data[:15]):
            raise Fault(TRUNCATED, "HED-1", "the file ends in the magic")
        if whole_locator(data):
            raise Fault(DAMAGED, "HED-1", "the magic is damaged: a whole locator stands at the end")
        raise Fault(UNSUPPORTED, "HED-1", "this is no bakpak archive")
    version, line_feed, _ = data[15:32].partition(b"\n")
    if not line_feed:
        need(32)
    require(bool(line_feed) and version == VERSION, UNSUPPORTED, "HED-2", f"version {version!r} is not known")

    need(HEADER_AT + 8)
    require(data[HEADER_AT:HEADER_AT + 4] == b"BPHD", DAMAGED, "HDR-1", "the header's magic is wrong")
    header_len = u(data, HEADER_AT + 4, 4)
    require(304 <= header_len <= 65536, LIMIT, "HDR-1", f"header_len {header_len}")
    end = HEADER_AT + header_len
    head_len = -(-end // SECTOR) * SECTOR
    need(head_len)
    page = data[:head_len]
    require(page[end - 32:end] == blake3(page[:end - 32]), DAMAGED, "HDR-9", "the head digest is wrong")
    require(is_zero(page[end:]), DAMAGED, "HED-4", "the padding behind the header is not zero")

    text_at = 15 + len(version) + 1
    text, _, rest = page[text_at:HEADER_AT].partition(b"\0")
    require(text_at + len(text) <= 2000, LIMIT, "HED-3", "the cover text is too long")
    require(is_zero(rest), MALFORMED, "HED-3", "bytes behind the cover text are not zero")
    try:
        cover = text.decode("utf-8")
    except UnicodeDecodeError:
        raise Fault(MALFORMED, "HED-3", "the cover text is not UTF-8") from None
    require(not any(c != "\n" and (c < " " or "\x7f" <= c <= "\x9f") for c in cover),
            MALFORMED, "HED-3", "control characters in the cover text")

    head, extensions_len = page[HEADER_AT:end], u(page, HEADER_AT + 200, 4)
    require(header_len == 304 + extensions_len, UNSUPPORTED, "HDR-1", "header_len is not 304 + extensions_len")
    incompatible = u(head, 24, 8)  # of the other features (HDR-3) none keeps from reading
    require(not incompatible, UNSUPPORTED, "HDR-2", f"incompatible features {incompatible:#x} (bit 0 volumes, bit 1 base link)")
    require(u(head, 48, 2) == 1, UNSUPPORTED, "HDR-4", f"suite {u(head, 48, 2)}")
    require(head[50] in (12, 16, 20, 22), UNSUPPORTED, "HDR-5", f"block_size_log2 {head[50]}")
    require(head[51] <= 4, UNSUPPORTED, "HDR-6", f"parity_geometry {head[51]}")
    require(head[52] == min(head[51], 1), UNSUPPORTED, "HDR-6", f"parity_code {head[52]} with parity_geometry {head[51]}")
    require(2 * PARITY_ROWS[head[51]] << head[50] <= 64 * MIB, LIMIT, "HDR-6", "over 64 MiB of parity in a stripe")
    require(12 <= head[53] <= 16, UNSUPPORTED, "HDR-5", f"slot_area_log2 {head[53]}")
    require(is_zero(head[54:56]), UNSUPPORTED, "HDR-1", "reserved bytes 54 to 55 of the header")
    chunk_size, envelope_len = u(head, 56, 4), u(head, 60, 4)
    require(4096 <= chunk_size <= 8 * MIB, LIMIT, "HDR-5", f"chunk_size {chunk_size}")
    require(envelope_len <= 262144 and envelope_len % SECTOR == 0, LIMIT, "HDR-5", f"envelope_len {envelope_len}")
    require(envelope_len > 0 or is_zero(head[136:200]), MALFORMED, "HDR-7", "envelope fields without an envelope")
    require(is_zero(head[204:240]), UNSUPPORTED, "HDR-1", "reserved bytes 204 to 239 of the header")
    signers = parse_extensions(head[240:-64])
    return Header(head[8:24], 1 << head[50], PARITY_ROWS[head[51]], 1 << head[53], chunk_size, envelope_len, u(head, 64, 8), head[72:104],
                  head[104:136], head[136:168], head[168:200], signers, head_len, head[-32:], page[:end - 64], head[-64:-32])


def parse_extensions(data: bytes) -> int:
    """Returns how many signers are declared. spec: HDR-8"""
    f, previous, signers = Fields(data, "HDR-8"), -1, 0
    while f.left():
        kind, value = f.u16(), f.raw(f.u16())
        require(kind > previous, MALFORMED, "HDR-8", "extension types do not ascend")
        require(kind == 1 or kind >= 0x8000, UNSUPPORTED, "HDR-8", f"unknown critical extension {kind}")
        if kind == 1:
            require(len(value) > 0 and len(value) % 36 == 0, MALFORMED, "HDR-8", "the length of the list of signers")
            require(all(is_zero(value[i + 2:i + 4]) for i in range(0, len(value), 36)), MALFORMED, "HDR-8", "signer: reserved")
            signers = len(value) // 36
        previous = kind
    return signers


# ---- slot tables (chapter 3.2) -------------------------------------------------------------------------

@dataclass
class Slot:
    kind: int
    data: bytes  # the whole slot


@dataclass
class Table:
    data: bytes
    domain: bytes
    generation: int
    slots: list[Slot]


def parse_table(data: bytes, domain: bytes, archive_id: bytes) -> Table:
    """spec: SLT-1, SLT-2, SLT-6"""
    size = len(data)
    require(blake3(data[:-32]) == data[-32:], DAMAGED, "SLT-1", "the digest of a slot table is wrong")
    require(data[:4] == domain, DAMAGED, "SLT-1", "the magic of a slot table is wrong")
    require(data[16:32] == archive_id, DAMAGED, "SLT-1", "a slot table of another archive")
    require(is_zero(data[10:12]), DAMAGED, "SLT-1", "a slot table has reserved bytes set")
    count, slots_len = u(data, 8, 2), u(data, 12, 4)
    require(1 <= count <= 24, LIMIT, "SLT-2", f"{count} slots")
    require(slots_len <= size - 96, LIMIT, "SLT-2", f"slots_len {slots_len}")
    slots, at, end = [], 32, 32 + slots_len
    require(is_zero(data[end:-64]), DAMAGED, "SLT-1", "unused bytes of a slot table are not zero")
    for number in range(count):
        length = u(data, at + 2, 2) if at + 8 <= end else 0
        require(8 <= length <= 4096 and at + length <= end, LIMIT, "SLT-2", f"slot {number}: length {length}")
        slots.append(Slot(u(data, at, 2), data[at:at + length]))
        at += length
    require(at == end, DAMAGED, "SLT-2", "the slots do not fill slots_len")
    for number, slot in enumerate(slots):
        length = {1: 132, 2: 116}.get(slot.kind, len(slot.data))
        require(len(slot.data) == length, MALFORMED, "SLT-6", f"slot {number}: {len(slot.data)} bytes")
        reserved = slot.data[4:8] + (slot.data[20:24] if slot.kind == 1 else b"")
        require(is_zero(reserved), MALFORMED, "SLT-6", f"slot {number}: reserved bytes are set")
    return Table(data, domain, u(data, 4, 4), slots)


def try_slot(slot: Slot, secret: bytes, domain: bytes, archive_id: bytes) -> bytes | None:
    """The domain's key if the secret fits. spec: SLT-7, SLT-8"""
    if slot.kind == 1:
        m, t, p = (u(slot.data, at, 4) for at in (8, 12, 16))
        good = 65536 <= m <= 1048576 and 2 <= t <= 16 and 1 <= p <= 16 and t * m <= 4194304
        require(good, LIMIT, "SLT-7", f"Argon2id with m = {m} KiB, t = {t}, p = {p}")
        secret = argon2id(secret, slot.data[24:40], m, t, p)
    prk = extract(slot.data[-108:-92], secret)
    if not same(expand(prk, b"bakpak/1 slot commitment" + domain + archive_id), slot.data[-92:-60]):
        return None
    kek = expand(prk, b"bakpak/1 slot kek" + domain + archive_id)
    return gcm_open(kek, slot.data[-60:-48], slot.data[-48:], domain + archive_id + slot.data[:-60])


@dataclass
class Keys:
    """The subkeys of one domain (spec: chapter 3.1)."""
    prk: bytes
    archive_id: bytes

    def subkey(self, label: bytes, extra: bytes = b"") -> bytes:
        return expand(self.prk, label + self.archive_id + extra)


def open_domain(header: Header, table: Table, key_secrets: list[bytes], passphrases: list[bytes]) -> Keys:
    """spec: KEY-2 to KEY-4, SLT-4, SLT-5, SLT-7 (at most 4 slots of kind 1)"""
    data_domain = table.domain == b"BPSD"
    name, commitment = (b"archive", header.archive_commitment) if data_domain else (b"envelope", header.envelope_commitment)
    tries = [(slot, secret) for secret in key_secrets for slot in table.slots if slot.kind == 2]
    tries += [(slot, secret) for secret in passphrases for slot in [s for s in table.slots if s.kind == 1][:4]]
    for slot, secret in tries:
        key = try_slot(slot, secret, table.domain, header.archive_id)
        if key is None:
            continue
        keys = Keys(extract(header.salt, key), header.archive_id)
        if not same(keys.subkey(b"bakpak/1 " + name + b" commitment"), commitment):  # KEY-2
            continue
        slots_key = keys.subkey(b"bakpak/1 " + (b"data" if data_domain else b"envelope") + b" slots mac")
        require(same(mac(slots_key, table.data[:-64]), table.data[-64:-32]), NOT_AUTHENTIC, "SLT-4", "table MAC is wrong")
        if data_domain:
            require(same(mac(keys.subkey(b"bakpak/1 header mac"), header.mac_covers), header.mac),
                    NOT_AUTHENTIC, "KEY-3", "the header MAC is wrong")
        return keys
    raise Fault(NO_KEY_FITS, "KEY-4", "no offered secret opens a slot")


def open_envelope(header: Header, body: bytes, keys: Keys) -> list[tuple[int, str, bytes]]:
    """The items (kind, name, content). spec: ENV-2"""
    plain = gcm_open(keys.subkey(b"bakpak/1 envelope body"), body[8:20], body[32:], body[:32] + header.archive_id)
    if plain is None:
        raise Fault(NOT_AUTHENTIC, "ENV-2", "the envelope does not open")
    items_len = u(plain, 0, 4)
    require(is_zero(plain[4:8]), MALFORMED, "ENV-2", "reserved bytes are set")
    require(8 + items_len <= len(plain) and is_zero(plain[8 + items_len:]), MALFORMED, "ENV-2", "unused bytes are not zero")
    f = Fields(plain[8:8 + items_len], "ENV-2")
    raw_items = f.list(lambda: (f.u16(), f.bytes(), f.bytes()), 18)
    f.end()
    items = []
    for kind, name, content in raw_items:
        try:
            items.append((kind, name.decode("utf-8"), content))
        except UnicodeDecodeError:
            raise Fault(MALFORMED, "ENV-2", "an item's name is not UTF-8") from None
        require(1 <= len(name) <= 255, MALFORMED, "ENV-2", "an item's name has 0 or over 255 bytes")
    require(len({name for _, name, _ in items}) == len(items), MALFORMED, "ENV-2", "two items of one name")
    return items


# ---- the whole file ------------------------------------------------------------------------------------

@dataclass
class Stripe:
    index: int
    first_block: int
    count: int
    start: int
    salt: bytes
    digest: bytes = b""  # check page digest
    page: bytes = b""  # check page
    parity_at: int = 0  # where the first parity block stands


@dataclass
class Archive:
    """All clear structures of an archive, to the last byte (FIL-2). `verifying` also asks for two good and equal slot
    tables and a good locator."""
    data: bytes
    verifying: bool = True
    head_only: bool = False
    stripes: list[Stripe] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.header = parse_head(self.data)
        self.locator = whole_locator(self.data)
        h = self.header
        at = h.head_len
        self.head_page = self.take(0, at, "head")
        self.data_table = self.pair(at, b"BPSD")
        at += 2 * h.slot_area
        self.envelope_table: Table | None = None
        self.envelope = b""
        if h.envelope_len:
            self.envelope_table = self.pair(at, b"BPSE")
            at += 2 * h.slot_area
            self.envelope = self.take(at, h.envelope_len, "envelope")
            self.check_envelope()
            at += h.envelope_len
        if self.head_only:
            return
        while True:
            at, last = self.stripe(at)
            if last:
                break
        self.block_count = sum(s.count for s in self.stripes)
        self.tail(at)

    def take(self, at: int, length: int, stage: str) -> bytes:
        """Bytes of the file. spec: FIL-1"""
        if at + length > len(self.data):
            raise missing(self.data, stage)
        return self.data[at:at + length]

    def pair(self, at: int, domain: bytes) -> Table:
        """The tables A and B of a domain. spec: SLT-1, SLT-3"""
        size, good, faults = self.header.slot_area, [], []
        for place in (at, at + size):
            data = self.take(place, size, "slots")
            try:
                good.append(parse_table(data, domain, self.header.archive_id))
            except Fault as fault:
                faults.append(fault)
                if self.verifying:
                    raise
        if not good:
            raise faults[0]
        if self.verifying:
            require(good[0].data == good[1].data, DAMAGED, "SLT-1", "slot tables A and B differ")
        return max(good, key=lambda table: table.generation)

    def check_envelope(self) -> None:
        """spec: ENV-1"""
        body = self.envelope
        require(blake3(body) == self.header.envelope_hash, DAMAGED, "ENV-1", "BLAKE3 of the envelope body differs")
        require(body[:4] == b"BPEB", DAMAGED, "ENV-1", "the envelope's magic is wrong")
        require(is_zero(body[4:8] + body[20:32]), DAMAGED, "ENV-1", "the envelope has reserved bytes set")

    # ---- stripes (chapters 5 and 6) ----

    def stripe(self, start: int) -> tuple[int, bool]:
        """Checks one stripe; returns where it ends and whether it says that it is the last. spec: TAL-2, RDR-4"""
        index, full = len(self.stripes), self.header.full_stripe
        first = full * index
        size, salt, count, at = self.header.block_size, None, 0, start
        told = u(self.locator, 40, 8) - first if self.locator else None  # only to name the right place of a damage
        while count < full:
            magic = self.take(at, 4, "block")
            if magic == b"BPCP" or magic != b"BPBK" and told == count > 0:
                break
            if count == 0 and index > 0 and magic in (MAGIC[:4], b"BPTP"):
                raise Fault(DAMAGED, "CHK-6", "no stripe says that it is the last, but the tail begins")
            salt = self.block_header(self.take(at, size, "block"), first + count, salt)
            at, count = at + size, count + 1
        require(count > 0, DAMAGED, "CHK-1", f"stripe {index}: a check page without blocks")
        stripe = Stripe(index, first, count, start, salt or b"")
        self.stripes.append(stripe)
        parity_count = self.header.parity_count(count)
        if not parity_count:
            stripe.page, last = self.check_page(stripe, at)
            return at + len(stripe.page), last
        stripe.parity_at = at + self.page_len(count)
        good, faults = [], []
        for place in (at, stripe.parity_at + parity_count * size):  # CHK-7
            try:
                good.append(self.check_page(stripe, place))
            except Fault as fault:
                faults.append(fault)
                if self.verifying:
                    raise
        if not good:
            raise faults[0]
        stripe.page, last = good[0]
        covered = u(stripe.page, 40, 4)
        require(not self.verifying or good[0][0][:covered] == good[1][0][:covered], DAMAGED, "CHK-7", f"check pages of stripe {index} differ")
        return stripe.parity_at + parity_count * size + self.page_len(count), last

    def page_len(self, n: int) -> int:
        """C (spec: chapter 6)"""
        return self.header.page_lens(n)[2]

    def block_header(self, block: bytes, number: int, salt: bytes | None) -> bytes:
        """spec: BLK-1 to BLK-3. Returns the stripe's salt."""
        where = f"block {number}"
        require(crc32c(block[:60]) == u(block, 60, 4), DAMAGED, "BLK-1", f"{where}: CRC of its header")
        require(block[:4] == b"BPBK", DAMAGED, "BLK-1", f"{where}: magic")
        require(block[4] == 1, UNSUPPORTED, "BLK-1", f"{where}: version {block[4]}")
        require(is_zero(block[5:8] + block[52:60]), DAMAGED, "BLK-1", f"{where}: reserved bytes are set")
        require(u(block, 8, 8) == number, DAMAGED, "BLK-2", f"block {u(block, 8, 8)} stands where block {number} should be")
        require(block[16:24] == self.header.archive_id[:8], DAMAGED, "BLK-2", f"{where} belongs to another archive")
        require(salt is None or block[24:40] == salt, DAMAGED, "BLK-3", f"{where}: the salt differs from its stripe's")
        return block[24:40]

    def check_page(self, stripe: Stripe, at: int) -> tuple[bytes, bool]:
        """spec: CHK-1 to CHK-6. Returns the page and the flag of the last stripe."""
        h, n, where = self.header, stripe.count, f"check page {stripe.index}"
        parity_count = h.parity_count(n)
        sectors_of_block = h.block_size // SECTOR
        fixed, covered, length = self.header.page_lens(n)
        sectors = covered // SECTOR

        page = self.take(at, SECTOR, "check-page")
        require(page[:4] == b"BPCP", DAMAGED, "CHK-1", f"{where}: magic")
        require(crc32c(page[:256] + bytes(4) + page[260:]) == u(page, 256, 4), DAMAGED, "CHK-2", f"{where}: sector 0 is damaged")
        require(page[4] == 1, UNSUPPORTED, "CHK-1", f"{where}: version {page[4]}")
        require(page[5] <= 1 and is_zero(page[6:8] + page[44:48] + page[88:256]), DAMAGED, "CHK-1", f"{where}: reserved bytes")
        for name, got, want in (("stripe_index", u(page, 8, 8), stripe.index), ("archive_id", page[16:32], h.archive_id),
                                ("data_count", u(page, 32, 2), n), ("parity_count", u(page, 34, 2), parity_count),
                                ("page_len", u(page, 36, 4), length), ("covered_len", u(page, 40, 4), covered),
                                ("first block", u(page, 48, 8), stripe.first_block), ("head digest", page[56:88], h.head_digest)):
            require(got == want, DAMAGED, "CHK-1", f"{where}: wrong {name}")
        last = bool(page[5] & 1)
        require(last or n == h.full_stripe, DAMAGED, "CHK-6", f"{where}: a short stripe that is not the last")
        page = self.take(at, length, "check-page")
        for i in range(1, sectors):
            good = crc32c(page[i * SECTOR:(i + 1) * SECTOR]) == u(page, 256 + 4 * i, 4)
            require(good, DAMAGED, "CHK-2", f"{where}: sector {i} is damaged")
        require(is_zero(page[256 + 4 * sectors + fixed:covered]), DAMAGED, "CHK-1", f"{where}: unused bytes are not zero")

        hashes = 256 + 4 * sectors
        crcs = hashes + 32 * (n + parity_count)
        for j in range(n + parity_count):
            block = self.shard(stripe, j)
            name = f"block {stripe.first_block + j}" if j < n else f"parity block {j - n} of stripe {stripe.index}"
            require(blake3(block) == page[hashes + 32 * j:hashes + 32 * j + 32], DAMAGED, "CHK-3" if j < n else "PAR-2",
                    f"{name} is damaged")
            bad = [i for i in range(sectors_of_block) if crc32c(block[i * SECTOR:(i + 1) * SECTOR]) !=
                   u(page, crcs + 4 * (j * sectors_of_block + i), 4)]
            require(not bad, DAMAGED, "CHK-4", f"{name}: CRC of sectors {bad}")
        if n >= 16:
            copy, end = self.head_page + self.envelope, crcs + 4 * (n + parity_count) * sectors_of_block
            require(page[end:end + len(copy)] == copy, DAMAGED, "CHK-5", f"{where}: the copy of the head differs")
            self.table_copy(page[covered:covered + h.slot_area], self.data_table, where, "CHK-5")
            if self.envelope_table:
                self.table_copy(page[covered + h.slot_area:], self.envelope_table, where, "CHK-5")
        stripe.digest = blake3(page[:covered])
        return page, last

    def shard(self, stripe: Stripe, number: int) -> bytes:
        """Data blocks, then parity blocks. spec: chapter 5"""
        size, n = self.header.block_size, stripe.count
        return self.take(stripe.start + number * size if number < n else stripe.parity_at + (number - n) * size, size, "block")

    def check_parity(self) -> None:
        """spec: PAR-1"""
        for stripe in self.stripes:
            data = [self.shard(stripe, j) for j in range(stripe.count)]
            for number, block in enumerate(parity_blocks(data, self.header.rows, self.header.parity_count(stripe.count))):
                require(block == self.shard(stripe, stripe.count + number), MALFORMED, "PAR-1",
                        f"parity block {number} of stripe {stripe.index} is not that of its blocks")

    def table_copy(self, copy: bytes, original: Table, where: str, rule: str) -> None:
        """spec: CHK-5, TAL-1. An older table that is whole is reported only."""
        if copy == original.data:
            return
        try:
            older = parse_table(copy, original.domain, self.header.archive_id).generation < original.generation
        except Fault:
            older = False
        require(older, DAMAGED, rule, f"{where}: the copy of a slot table differs")
        self.notes.append(f"{where}: a slot table of an older generation")

    # ---- tail (chapter 12) ----

    def tail(self, start: int) -> None:
        """spec: TAL-1, CHK-6, FIL-1"""
        require(self.data[start:start + 4] != b"BPBK", DAMAGED, "CHK-6", "a block follows the stripe that says it is the last")
        copies = [(self.head_page, None), (self.data_table.data, self.data_table)]
        if self.envelope_table:
            copies += [(self.envelope_table.data, self.envelope_table), (self.envelope, None)]
        copies_len = sum(len(original) for original, _ in copies)
        at, first = start, None
        if self.header.signers:
            first = self.tail_page(at, start, copies_len)
            at += len(first)
        for original, table in copies:
            copy = self.take(at, len(original), "tail")
            if table:
                self.table_copy(copy, table, "tail", "TAL-1")
            else:
                require(copy == original, DAMAGED, "TAL-1", f"the tail's copy at {at} differs from its original")
            at += len(original)
        page = self.tail_page(at, start, copies_len)
        require(first in (None, page), DAMAGED, "TAL-1", "the two tail pages differ")
        at += len(page)
        require(len(self.data) == at, DAMAGED, "FIL-1", f"{len(self.data) - at} bytes after the tail")

    def tail_page(self, at: int, start: int, copies_len: int) -> bytes:
        """spec: TAL-1 to TAL-4"""
        h, size = self.header, u(self.take(at, 8, "tail"), 4, 4)
        require(self.data[at:at + 4] == b"BPTP", DAMAGED, "TAL-1", "the magic of a tail page is wrong")
        require(SECTOR <= size <= 65536, LIMIT, "TAL-1", f"tail_page_len {size}")
        told = u(self.locator, 12, 4) if self.locator else size
        require(size % SECTOR == 0 and size == told, DAMAGED, "TAL-1", f"tail_page_len {size}")
        page = self.take(at, size, "tail")
        body, locator = page[:-256], whole_locator(page)
        require(locator is not None or not self.verifying, DAMAGED, "TAL-2", "the locator is damaged")
        values = [("archive_id", page[8:24], h.archive_id), ("block_count", u(page, 24, 8), self.block_count),
                  ("stripe_count", u(page, 32, 8), len(self.stripes)), ("head digest", page[48:80], h.head_digest),
                  ("archive_len", u(page, 40, 8), start + copies_len + size * (2 if h.signers else 1)),
                  ("reserved", page[116:128], bytes(12))]
        if locator:
            require(u(locator, 8, 4) == 1, UNSUPPORTED, "TAL-2", f"locator version {u(locator, 8, 4)}")
            values += [("tail_page_len", u(locator, 12, 4), size), ("archive_id", locator[16:32], h.archive_id),
                       ("tail_offset", u(locator, 32, 8), start), ("block_count", u(locator, 40, 8), self.block_count),
                       ("root", locator[48:80], page[80:112]), ("BLAKE3 of the tail page", locator[80:112], blake3(body)),
                       ("reserved", locator[112:252], bytes(140))]
        for name, got, want in values:
            require(got == want, DAMAGED, "TAL-1", f"wrong {name} in the tail")
        end = 128 + u(page, 112, 4)
        require(end <= len(body), DAMAGED, "TAL-4", "the signatures do not fit the tail page")
        at, self.signatures = 128, 0
        while at < end:
            length = u(page, at + 2, 2) if at + 8 <= end else 0
            require(length >= 8 and at + length <= end, DAMAGED, "TAL-4", "the signatures do not fill their list")
            require(is_zero(page[at + 4:at + 8]), DAMAGED, "TAL-4", "a signature has reserved bytes set")
            at, self.signatures = at + length, self.signatures + 1
        require(is_zero(body[end:]), DAMAGED, "TAL-1", "unused bytes of the tail page are not zero")
        self.root = blake3(b"bakpak/1 root" + h.head_digest + h.archive_id + self.block_count.to_bytes(8, "little") +
                           len(self.stripes).to_bytes(8, "little") + b"".join(s.digest for s in self.stripes))
        require(self.root == page[80:112], DAMAGED, "TAL-3", "the root is wrong")
        return page
