"""Parity: Reed-Solomon over GF(2^8) (spec: chapter 6.1)."""
from __future__ import annotations

POLYNOMIAL = 0x11D


def multiply(a: int, b: int) -> int:
    product = 0
    while b:
        product ^= a if b & 1 else 0
        a, b = a << 1 ^ (POLYNOMIAL if a & 0x80 else 0), b >> 1
    return product


TABLES = [bytes(multiply(factor, byte) for byte in range(256)) for factor in range(256)]
INVERSES = [0] + [table.index(1) for table in TABLES[1:]]


def coefficient(m: int, row: int, block: int) -> int:
    """c(r, j)"""
    k = block % (255 - m)
    return multiply(255 ^ k, INVERSES[255 - row ^ k])


def group_count(n: int, parity_count: int) -> int:
    return 1 if n + parity_count <= 255 else 2


def scaled(factor: int, data: bytes) -> int:
    """All bytes times a factor, as one long number: sums of such are XORs."""
    return int.from_bytes(data.translate(TABLES[factor]), "little")


def parity_blocks(data: list[bytes], m: int, parity_count: int) -> list[bytes]:
    """spec: PAR-1"""
    n, groups, blocks = len(data), group_count(len(data), parity_count), []
    for number in range(parity_count):
        total = 0
        for j in range((n + number) % groups, n, groups):
            total ^= scaled(coefficient(m, number // groups, j), data[j])
        blocks.append(total.to_bytes(len(data[0]), "little"))
    return blocks
