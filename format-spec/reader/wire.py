"""Faults, the record encoding and the primitives (spec: chapter 0; CHU-6 for the zstd frame)."""
from __future__ import annotations

import hashlib
import hmac
from typing import Callable, TypeVar

import blake3 as _blake3
import google_crc32c
import zstandard
from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SECTOR = 4096
MIB = 1 << 20
ALL_ONES = (1 << 64) - 1
T = TypeVar("T")

UNSUPPORTED, LIMIT, DAMAGED, TRUNCATED = "Unsupported", "LimitExceeded", "Damaged", "Truncated"
NOT_AUTHENTIC, NO_KEY_FITS, MALFORMED = "NotAuthentic", "NoKeyFits", "Malformed"

# The stage of a fault by the rule that was broken (spec: end of chapter 14); a whole label goes before its first letters.
STAGES = {
    "FIL": "tail", "HED": "head", "HDR-9": "head", "HDR": "header", "KEY-3": "header", "KEY": "slots", "SLT": "slots",
    "ENV": "envelope", "CHK-3": "block", "BLK": "block", "CHK": "check-page", "PAR": "parity", "REC": "record", "CHU": "chunk",
    "CHU-2": "script", "CHU-5": "script", "CHU-7": "script", "CHU-8": "script", "CHU-9": "script",
    "ENT": "entry", "CAT": "catalogue", "FAC": "facts", "CKP": "checkpoint", "TRE": "tree", "FIN": "final", "TAL": "tail",
}


class Fault(Exception):
    """A refusal: class (spec: chapter 0), rule label, stage and message."""

    def __init__(self, cls: str, rule: str, message: str, stage: str | None = None) -> None:
        super().__init__(message)
        self.cls, self.rule, self.message = cls, rule, message
        self.stage = stage or STAGES.get(rule) or STAGES[rule[:3]]

    def as_dict(self) -> dict:
        return {"result": self.cls, "stage": self.stage, "rule": self.rule, "message": self.message}


def require(ok: bool, cls: str, rule: str, message: str) -> None:
    """Refuses unless `ok`."""
    if not ok:
        raise Fault(cls, rule, message)


def is_zero(data: bytes) -> bool:
    return data.count(0) == len(data)


# ---- primitives (suite 1) ------------------------------------------------------------------------

def blake3(data: bytes) -> bytes:
    return _blake3.blake3(data).digest()


def blake3_hasher():
    return _blake3.blake3()


def crc32c(data: bytes) -> int:
    return google_crc32c.value(bytes(data))


def extract(salt: bytes, ikm: bytes) -> bytes:
    """HKDF-Extract with SHA-512."""
    return hmac.new(salt, ikm, hashlib.sha512).digest()


def expand(prk: bytes, info: bytes) -> bytes:
    """HKDF-Expand with SHA-512 to 32 bytes, for which one round is enough."""
    return mac(prk, info + b"\x01")


def mac(key: bytes, data: bytes) -> bytes:
    """HMAC-SHA-512, the first 32 bytes."""
    return hmac.new(key, data, hashlib.sha512).digest()[:32]


def same(a: bytes, b: bytes) -> bool:
    """Comparison in constant time."""
    return hmac.compare_digest(a, b)


def gcm_open(key: bytes, nonce: bytes, sealed: bytes, aad: bytes) -> bytes | None:
    """Opens AES-256-GCM; None if the tag fails."""
    try:
        return AESGCM(key).decrypt(nonce, sealed, aad)
    except InvalidTag:
        return None


def argon2id(secret: bytes, salt: bytes, m: int, t: int, p: int) -> bytes:
    return hash_secret_raw(secret, salt, time_cost=t, memory_cost=m, parallelism=p, hash_len=32, type=Type.ID, version=0x13)


# ---- key files (spec: chapter 3.2) ---------------------------------------------------------------

BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def bech32_polymod(values: list[int]) -> int:
    chk = 1
    for v in values:
        top, chk = chk >> 25, (chk & 0x1FFFFFF) << 5 ^ v
        for i, g in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            chk ^= g if top >> i & 1 else 0
    return chk


def bech32_prefix(hrp: str) -> list[int]:
    return [ord(c) >> 5 for c in hrp] + [0] + [ord(c) & 31 for c in hrp]


def key_file_secret(text: bytes) -> bytes:
    """The 32 bytes of a key file's line. A wrong line is the user's mistake, not the archive's: ValueError. spec: SLT-9"""
    line = text.strip().decode("ascii")
    if line != line.upper() and line != line.lower():
        raise ValueError("key file: mixed case")
    hrp, sep, rest = line.lower().rpartition("1")
    if hrp != "bakpak-key-file-" or not sep or any(c not in BECH32 for c in rest) or len(rest) != 58:
        raise ValueError("this is not a bakpak key file")
    values = [BECH32.index(c) for c in rest]
    if bech32_polymod(bech32_prefix(hrp) + values) != 1:
        raise ValueError("key file: wrong checksum")
    number = 0
    for v in values[:52]:
        number = number << 5 | v
    if number & 15:
        raise ValueError("key file: padding is not zero")
    return (number >> 4).to_bytes(32, "big")


# ---- the record encoding (spec: chapter 0, REC-6) --------------------------------------------------

class Fields:
    """Reads a structure field after field; whatever does not fit is refused with the given rule."""

    def __init__(self, data: bytes, rule: str = "REC-6") -> None:
        self.data, self.pos, self.rule = data, 0, rule

    def left(self) -> int:
        return len(self.data) - self.pos

    def raw(self, n: int) -> bytes:
        require(n <= self.left(), MALFORMED, self.rule, f"a field of {n} bytes does not fit into the {self.left()} bytes left")
        self.pos += n
        return self.data[self.pos - n:self.pos]

    def u8(self) -> int:
        return self.raw(1)[0]

    def u16(self) -> int:
        return int.from_bytes(self.raw(2), "little")

    def u32(self) -> int:
        return int.from_bytes(self.raw(4), "little")

    def u64(self) -> int:
        return int.from_bytes(self.raw(8), "little")

    def i64(self) -> int:
        return int.from_bytes(self.raw(8), "little", signed=True)

    def bytes(self) -> bytes:
        return self.raw(self.u64())

    def text(self) -> str:
        """`bytes` that are UTF-8 (spec: chapter 9)"""
        data = self.bytes()
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            raise Fault(MALFORMED, self.rule, "a text is not UTF-8") from None

    def option(self, item: Callable[[], T]) -> T | None:
        flag = self.u8()
        require(flag <= 1, MALFORMED, self.rule, f"option byte {flag}")
        return item() if flag else None

    def list(self, item: Callable[[], T], least: int) -> list[T]:
        """`least` is the size of the smallest item, so that a false count takes no memory."""
        count = self.u64()
        require(count * least <= self.left(), MALFORMED, self.rule, f"a list of {count} items in {self.left()} bytes")
        return [item() for _ in range(count)]

    def end(self) -> None:
        require(self.left() == 0, MALFORMED, self.rule, f"{self.left()} bytes too many")


# ---- zstd (spec: CHU-6) ------------------------------------------------------------------------------

MAX_WINDOW = 8 * MIB


def zstd_frame_length(data: bytes, raw_len: int, rule: str) -> int:
    """Checks a frame's header and walks over its blocks (RFC 8878, 3.1.1); returns the frame's length."""
    f = Fields(data, rule)
    require(f.raw(4) == b"\x28\xb5\x2f\xfd", MALFORMED, rule, "this is no zstd frame")
    flags = f.u8()
    single, size_len = bool(flags & 0x20), (0, 2, 4, 8)[flags >> 6]
    size_len += single and not size_len
    require(not flags & 0x08, MALFORMED, rule, "zstd: reserved bit set")
    require(not flags & 0x03, MALFORMED, rule, "zstd: the frame names a dictionary")
    byte = 0 if single else f.u8()
    size = int.from_bytes(f.raw(size_len), "little") + (256 if size_len == 2 else 0)
    window = size if single else (1 << 10 + (byte >> 3)) // 8 * (8 + (byte & 7))
    require(window <= MAX_WINDOW, LIMIT, rule, f"zstd: window of {window} bytes")
    require(not size_len or size == raw_len, MALFORMED, rule, "zstd: declared content size is not raw_len")
    last = False
    while not last:
        head = int.from_bytes(f.raw(3), "little")
        last, kind = bool(head & 1), head >> 1 & 3
        require(kind != 3, MALFORMED, rule, "zstd: reserved block type")
        f.raw(1 if kind == 1 else head >> 3)
    f.raw(4 if flags & 4 else 0)
    return f.pos


def zstd_open(data: bytes, raw_len: int, rule: str = "CHU-6") -> bytes:
    """Exactly one frame that gives exactly raw_len bytes; never makes more than raw_len + 1."""
    require(zstd_frame_length(data, raw_len, rule) == len(data), MALFORMED, rule, "bytes after the zstd frame")
    try:
        raw = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW).stream_reader(data).read(raw_len + 1)
    except zstandard.ZstdError as error:
        raise Fault(MALFORMED, rule, f"zstd: {error}") from None
    require(len(raw) == raw_len, MALFORMED, rule, "the zstd frame does not give raw_len bytes")
    return raw
