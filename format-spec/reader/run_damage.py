#!/usr/bin/env python3
"""Damages archives as a manifest says, mends them and prints each disagreement.

    python3 run_damage.py DAMAGE.toml [BASES]

Keys of a [[damage]]: name, base (a vector of manifest.toml beside it), operations, damaged_blake3, expect ("repaired",
"lost", "refused", or "unmended": one of these two); root and file_blake3 of what was repaired, lost_blocks of what was lost; and, where there is a key `salvage`, what salvage
with the key file of all vectors says: that key, end_known, whole, unnamed, entries. A base that is a recipe is read
from the folder BASES (NAME.bakpak); without it, the damage is skipped.
"""
from __future__ import annotations

import sys
import tomllib
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from repair import repair  # noqa: E402
from salvage import salvage  # noqa: E402
from wire import Fault, blake3, key_file_secret  # noqa: E402

SALVAGE = "salvage", "end_known", "whole", "unnamed", "entries"


def operate(data: bytes, op: dict) -> bytes:
    """One operation. Offsets are those of the bytes as the operations before have left them."""
    at, length, filler = op.get("offset", 0), op.get("len", 0), bytes([op.get("byte", 0)]) * op.get("len", 0)
    match op["op"]:
        case "flip":
            return data[:at] + bytes([data[at] ^ 1 << op["bit"]]) + data[at + 1:]
        case "zero" | "fill":
            return data[:at] + filler + data[at + length:]
        case "cut":
            return data[:at] + data[at + length:]
        case "insert":
            return data[:at] + filler + data[at:]
        case "swap":
            other = op["other"]
            assert at + length <= other
            middle = data[at + length:other]
            return data[:at] + data[other:other + length] + middle + data[at:at + length] + data[other + length:]
        case "repeat":
            return data[:at + length] + data[at:]
        case "truncate":
            return data[:length]
        case "append":
            return data + filler
    raise ValueError(f"unknown operation {op}")


def base_of(damage: dict, folder: Path, files: dict[str, str], bases: Path | None) -> bytes | None:
    if damage["base"] in files:
        return (folder / files[damage["base"]]).read_bytes()
    return (bases / (damage["base"] + ".bakpak")).read_bytes() if bases else None


def run_damage(damage: dict, base: bytes, key_file: str) -> list[str]:
    """The disagreements."""
    data = base
    for op in damage["operations"]:
        data = operate(data, op)
    if blake3(data).hex() != damage["damaged_blake3"]:
        return ["the operations give other bytes"]
    return run_repair(damage, data) + run_salvage(damage, data, key_file)


def said_of_salvage(data: bytes, key_file: str) -> dict:
    try:
        return salvage(data, [key_file_secret(key_file.encode())], []).as_dict()
    except Fault:
        return {"salvage": "refused"}


def run_salvage(damage: dict, data: bytes, key_file: str) -> list[str]:
    """Where the manifest says nothing of salvage there is none."""
    expected = {key: damage[key] for key in SALVAGE if key in damage}
    said = said_of_salvage(data, key_file) if expected else {}
    return [] if said == expected else [f"expected {expected}, got {said}"]


def run_repair(damage: dict, data: bytes) -> list[str]:
    try:
        result = repair(data)
    except Fault as fault:
        return [] if damage["expect"] in ("refused", "unmended") else [f"refused: {fault.rule}: {fault.message}"]
    said, wrong = ("lost" if result.lost else "repaired"), []
    if said == "lost" and damage["expect"] == "unmended":
        return []
    if said != damage["expect"]:
        return [f"expected {damage['expect']}, got {said}: {result.lost[:5]}"]
    if said == "lost" and len(result.lost_blocks) != damage["lost_blocks"]:
        wrong.append(f"expected {damage['lost_blocks']} lost blocks, got {result.lost_blocks}")
    if said == "repaired" and result.root.hex() != damage["root"]:
        wrong.append("another root")
    if said == "repaired" and blake3(result.mended).hex() != damage["file_blake3"]:
        wrong.append("other bytes")
    return wrong


def main(arguments: list[str]) -> int:
    manifest, bases = Path(arguments[0]), Path(arguments[1]) if len(arguments) > 1 else None
    top = tomllib.loads((manifest.parent / "manifest.toml").read_text("utf-8"))
    files = {vector["name"]: vector["file"] for vector in top["vector"] if "file" in vector}
    passed = failed = skipped = 0
    for damage in tomllib.loads(manifest.read_text("utf-8"))["damage"]:
        base = base_of(damage, manifest.parent, files, bases)
        if base is None:
            skipped += 1
            continue
        try:
            wrong = run_damage(damage, base, top["key_file"])
        except Exception:  # a bug of the reader or of the manifest
            wrong = ["crash: " + traceback.format_exc()]
        passed, failed = passed + (not wrong), failed + bool(wrong)
        for line in wrong:
            print(f"{damage['name']}: {line}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
