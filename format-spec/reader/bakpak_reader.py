#!/usr/bin/env python3
"""The second reader of the bakpak archive format, made from bakpak-v1.md alone. Slow and clear.

Every refusal carries the label of the rule in the specification. `verify` goes over the file twice: first what can be
checked without a key (clear.py), then what stands under the seal (sealed.py, entries.py). `repair` (repair.py) writes a
damaged archive anew, to another file.
"""
from __future__ import annotations

import argparse
import base64
import json
import mmap
import os
import sys
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from clear import Archive, open_domain, open_envelope  # noqa: E402
from entries import (BLOCK_DEVICE, CHAR_DEVICE, DIRECTORY, FIFO, FILE, HARD_LINK, SYMLINK, Entry, Piece, Sink,  # noqa: E402
                     StreamParser)
from repair import repair  # noqa: E402
from sealed import SUPERSEDED, UNREADABLE, Walk  # noqa: E402
from wire import MIB, UNSUPPORTED, Fault, blake3_hasher, key_file_secret, require  # noqa: E402

KIND_NAMES = ("file", "hard_link", "symlink", "char_device", "block_device", "directory", "fifo")


def read_all(archive: Archive, key_files: list[bytes], passphrases: list[bytes], sink: Sink | None = None, tee=None) -> Walk:
    """Checks everything under the seal. `key_files` are the texts of the files. spec: RDR-2"""
    keys = open_domain(archive.header, archive.data_table, [key_file_secret(k) for k in key_files], passphrases)
    walk = Walk(archive, keys, StreamParser(sink or Sink()), tee)
    walk.run()
    return walk


def text(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")


def summary(archive: Archive, walk: Walk | None) -> dict:
    out = {"result": "opened", "keyless": walk is None, "archive_id": archive.header.archive_id.hex(),
           "blocks": archive.block_count, "stripes": len(archive.stripes), "length": len(archive.data),
           "root": archive.root.hex(), "notes": list(archive.notes)}
    if archive.header.signers or archive.signatures:
        out["notes"].append(f"{archive.header.signers} signers are declared; signatures were NOT checked")  # HDR-8
    if walk:
        out |= {name: walk.final[name] for name in ("stream_len", "data_len", "chunk_count", "row_count", "content_len")}
        out["incomplete"], out["not_restorable"] = (bool(walk.final["flags"] & bit) for bit in (1, 2))  # FIN-3
        out["missing"] = [{"path": text(p), "reason": text(r)} for p, r in walk.missing]
    return out


def verify(data: bytes, key_files: list[bytes], passphrases: list[bytes], keyless: bool, stream_hash: bool = False) -> dict:
    """What the `verify` command prints. `stream_hash` adds the BLAKE3 of the stream. spec: RDR-1, RDR-2, RDR-5"""
    try:
        archive = Archive(data)
        if keyless:
            return summary(archive, None)
        archive.check_parity()
        hasher = blake3_hasher()
        walk = read_all(archive, key_files, passphrases, None, piece_writer(hasher.update) if stream_hash else None)
        out = summary(archive, walk)
        return out | {"stream_blake3": hasher.digest().hex()} if stream_hash else out
    except Fault as fault:
        return fault.as_dict()


def envelope_items(data: bytes, key_files: list[bytes], passphrases: list[bytes]) -> list[tuple[int, str, bytes]]:
    """Opens the envelope; looks at nothing behind it. spec: chapter 4"""
    archive = Archive(data, verifying=False, head_only=True)
    require(archive.envelope_table is not None, UNSUPPORTED, "ENV-1", "this archive has no envelope")
    keys = open_domain(archive.header, archive.envelope_table, [key_file_secret(k) for k in key_files], passphrases)
    return open_envelope(archive.header, archive.envelope, keys)


def piece_writer(write):
    """A function that writes pieces of the stream."""
    def out(piece: Piece) -> None:
        if not isinstance(piece, int):
            write(piece)
            return
        for at in range(0, piece, MIB):
            write(bytes(min(MIB, piece - at)))
    return out


class Extractor(Sink):
    """Writes the entries below a directory that is new or empty; links come last, so none is ever followed."""

    def __init__(self, target: str, entries: list[Entry]) -> None:
        self.target = os.fsencode(target)
        self.skip = {e.header_offset for e in entries if e.flags & (SUPERSEDED | UNREADABLE)}  # chapter 11
        self.others: list[Entry] = []
        self.handle = None
        self.left_out: list[str] = []
        os.umask(0o022)  # missing parents are made with mode 0755 (chapter 10.1)
        os.makedirs(self.target, exist_ok=True)
        if os.listdir(self.target):
            raise SystemExit("the target directory is not empty")

    def place(self, entry: Entry) -> bytes:
        return os.path.join(self.target, entry.path)

    def begin(self, entry: Entry) -> None:
        if entry.header_offset in self.skip:
            return
        os.makedirs(os.path.dirname(self.place(entry)), exist_ok=True)
        if entry.kind == DIRECTORY:
            os.mkdir(self.place(entry))
        if entry.kind == FILE:
            self.handle = open(self.place(entry), "xb")
        else:
            self.others.append(entry)

    def data(self, entry: Entry, piece: Piece, hole: bool) -> None:
        if not self.handle:
            return
        if hole:
            self.handle.seek(piece, os.SEEK_CUR)
        else:
            piece_writer(self.handle.write)(piece)

    def end(self, entry: Entry) -> None:
        if self.handle:
            self.handle.truncate(entry.size)
            self.handle.close()
            self.handle = None
            self.metadata(entry)

    def finish(self) -> None:
        for entry in self.others:
            self.link(entry)
        for entry in reversed(self.others):
            if entry.kind == DIRECTORY:
                self.metadata(entry)

    def link(self, entry: Entry) -> None:
        try:
            if entry.kind == HARD_LINK:
                os.link(os.path.join(self.target, entry.link), self.place(entry), follow_symlinks=False)
            elif entry.kind == FIFO:
                os.mkfifo(self.place(entry))
                self.metadata(entry)
            elif entry.kind in (CHAR_DEVICE, BLOCK_DEVICE):
                raise OSError("devices are not made")
        except OSError as error:
            self.left_out.append(f"{text(entry.path)}: {error}")
        if entry.kind == SYMLINK:
            os.symlink(entry.link, self.place(entry))
            self.metadata(entry)

    def metadata(self, entry: Entry) -> None:
        place, time = self.place(entry), entry.mtime_seconds * 1_000_000_000 + entry.mtime_nanos
        try:
            if os.geteuid() == 0:
                os.chown(place, entry.uid, entry.gid, follow_symlinks=False)
            for name, value in entry.xattrs.items():
                if name.startswith(b"user."):
                    os.setxattr(place, name, value, follow_symlinks=False)
            if entry.kind != SYMLINK:
                os.chmod(place, entry.mode)
            os.utime(place, ns=(time, time), follow_symlinks=False)
        except (OSError, OverflowError) as error:
            self.left_out.append(f"{text(entry.path)}: {error}")


def row_json(e: Entry) -> dict:
    return {"path": text(e.path), "path_hex": e.path.hex(), "type": KIND_NAMES[e.kind], "size": e.size, "mode": e.mode,
            "uid": e.uid, "gid": e.gid, "mtime_seconds": e.mtime_seconds, "mtime_nanos": e.mtime_nanos,
            "flags": e.flags, "content_hash": e.content_hash.hex(), "link": text(e.link)}


def read_archive(name: str):
    if name == "-":
        return sys.stdin.buffer.read()
    with open(name, "rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if os.fstat(file.fileno()).st_size else b""


def passphrase_file(name: str) -> bytes:
    """spec: chapter 3.2: one trailing line end is not part of the passphrase."""
    data = Path(name).read_bytes()
    return data[:-2] if data.endswith(b"\r\n") else data[:-1] if data.endswith(b"\n") else data


def run(args: argparse.Namespace) -> int:
    data = read_archive(args.archive)
    if args.command == "repair":
        mended = repair(bytes(data))
        if not mended.lost:  # RPR-1
            Path(args.output).write_bytes(mended.mended)
        print(json.dumps(mended.as_dict()))
        return int(bool(mended.lost))
    key_files = [Path(name).read_bytes() for name in args.key_file or []]
    passphrases = [passphrase_file(name) for name in args.passphrase_file or []]
    try:
        for line in key_files:
            key_file_secret(line)
    except ValueError as error:  # SLT-9: the user's mistake, not the archive's
        print(f"error: {error}", file=sys.stderr)
        return 2
    if args.command == "verify":
        out = verify(data, key_files, passphrases, args.keyless)
        print(json.dumps(out))
        return int(out["result"] != "opened")
    if args.command == "envelope":
        for kind, name, content in envelope_items(data, key_files, passphrases):
            print(json.dumps({"kind": kind, "name": name, "content": base64.b64encode(content).decode()}))
        return 0
    archive = Archive(data, verifying=False)
    walk = read_all(archive, key_files, passphrases)  # RDR-3: everything is checked before anything is handed out
    if args.command == "list":
        for entry in walk.parser.entries:
            print(json.dumps(row_json(entry)))
    elif args.command == "tar":
        read_all(archive, key_files, passphrases, None, piece_writer(sys.stdout.buffer.write))
        sys.stdout.buffer.flush()
    else:
        extractor = Extractor(args.to, walk.parser.entries)
        read_all(archive, key_files, passphrases, extractor)
        extractor.finish()
        print(json.dumps({"result": "opened", "left_out": extractor.left_out}))
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("verify", "list", "extract", "envelope", "tar"):
        command = commands.add_parser(name)
        prefix = "--envelope-" if name == "envelope" else "--"
        command.add_argument(prefix + "key-file", action="append", dest="key_file")
        command.add_argument(prefix + "passphrase-file", action="append", dest="passphrase_file")
        if name == "verify":
            command.add_argument("--keyless", action="store_true")
        if name == "extract":
            command.add_argument("--to", required=True)
        command.add_argument("archive")
    command = commands.add_parser("repair")
    command.add_argument("-o", dest="output", required=True)
    command.add_argument("archive")
    args = parser.parse_args()
    out = sys.stderr if args.command == "tar" else sys.stdout
    try:
        return run(args)
    except Fault as fault:
        print(json.dumps(fault.as_dict()), file=out)
        return 1
    except Exception:  # a bug of this reader; visible
        print(json.dumps({"result": "Crash", "message": traceback.format_exc()}), file=out)
        return 3


if __name__ == "__main__":
    sys.exit(main())
