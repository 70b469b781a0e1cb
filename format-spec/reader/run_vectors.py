#!/usr/bin/env python3
"""Runs the reader over a manifest of test vectors and prints each disagreement.

    python3 run_vectors.py MANIFEST.toml [NAME ...]

Keys of a [[vector]]: name, file, expect ("opened" or a class), stage, keyless ("opened" or a class), key_file, passphrase,
stream_blake3, rules (with SLV-6, salvage must not be complete); envelope_key_file, envelope_passphrase, envelope_expect, envelope_stage for opening the envelope.
`key_file` and `envelope_key_file` at the top are defaults. A vector with `recipe` and without `file` is skipped.
"""
from __future__ import annotations

import sys
import tomllib
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from bakpak_reader import envelope_items, verify  # noqa: E402
from salvage import salvage  # noqa: E402
from wire import Fault, key_file_secret  # noqa: E402


def secrets(vector: dict, top: dict, prefix: str = "") -> tuple[list[bytes], list[bytes]]:
    """A vector that names its own passphrase is opened with nothing else, unless it names a key file too."""
    passphrase, key_file = vector.get(prefix + "passphrase"), vector.get(prefix + "key_file")
    if key_file is None and passphrase is None:
        key_file = top.get(prefix + "key_file")
    return ([key_file.encode()] if key_file else [], [passphrase.encode()] if passphrase is not None else [])


def envelope(data: bytes, vector: dict, top: dict) -> dict:
    try:
        return {"result": "opened", "items": envelope_items(data, *secrets(vector, top, "envelope_"))}
    except Fault as fault:
        return fault.as_dict()


def run_vector(vector: dict, top: dict, folder: Path) -> list[str]:
    """The disagreements."""
    data = (folder / vector["file"]).read_bytes()
    wrong = []

    def compare(what: str, got: dict, want: str, stage: str | None) -> None:
        said = f"{got['result']} (stage {got.get('stage')}, {got.get('rule')}: {got.get('message')})"
        if got["result"] != want:
            wrong.append(f"{what}: expected {want}, got {said}")
        elif stage and want != "opened" and got.get("stage") != stage:
            wrong.append(f"{what}: expected stage {stage}, got {said}")

    got = verify(data, *secrets(vector, top), keyless=False, stream_hash="stream_blake3" in vector)
    compare("with key", got, vector["expect"], vector.get("stage"))
    if got["result"] == "opened" and got.get("stream_blake3") != vector.get("stream_blake3"):
        wrong.append(f"stream: BLAKE3 is {got.get('stream_blake3')}")
    if "keyless" in vector:
        compare("keyless", verify(data, [], [], keyless=True), vector["keyless"], None)
    if "SLV-6" in vector["rules"] and salvage(data, [key_file_secret(top["key_file"].encode())], []).complete:
        wrong.append("salvage: complete")
    if "envelope_expect" in vector:
        compare("envelope", envelope(data, vector, top), vector["envelope_expect"], vector.get("envelope_stage"))
    return wrong


def main(arguments: list[str]) -> int:
    manifest = Path(arguments[0])
    top = tomllib.loads(manifest.read_text("utf-8"))
    passed = failed = skipped = 0
    for vector in top.get("vector", []):
        name = vector.get("name", "?")
        if len(arguments) > 1 and name not in arguments[1:]:
            continue
        if "file" not in vector:
            skipped += 1
            continue
        try:
            wrong = run_vector(vector, top, manifest.parent)
        except Exception:  # a bug of the reader or of the manifest
            wrong = ["crash: " + traceback.format_exc()]
        passed, failed = passed + (not wrong), failed + bool(wrong)
        for line in wrong:
            print(f"{name}: {line}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
