#!/usr/bin/env bash
# Parity beside par2 (Debian): time to make, verify and repair it, and how much loss each of them repairs.
#
#   benches/repair.sh
#
# An archive of 512 MiB of random bytes: with 3 % of parity, and without, but with par2's files (-r3) of
# 2,000 blocks, which is its default, and of blocks of 64 KiB. Damaged are 8 MiB at one place, or 200
# sectors of 4 KiB. par2 repairs in place, bakpak into another file. RUNS (5) and RUNS_SMALL (3, for the
# blocks of 64 KiB) say how often; medians are told. Needs 6 GiB below $TMPDIR. RESULTS=DIR puts the
# results elsewhere than below benches/results/.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=machine.sh
. "$(dirname "$0")/machine.sh"

results=$(results_folder)
raw=$results/repair.txt
refuse_to_replace "$raw"
description=$(describe_machine)

cd "$repository"
cargo build --quiet --release -p bakpak
bakpak=$(realpath "${CARGO_TARGET_DIR:-target}/release")/bakpak
work=$(mktemp -d "${TMPDIR:-/tmp}/bakpak-repair.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

runs=${RUNS:-5}
runs_small=${RUNS_SMALL:-3}
sector=4096
head -c $((512 << 20)) /dev/urandom >data
"$bakpak" key generate -o key 2>/dev/null

# timed NAME COMMAND...: adds a line to `runs.txt`.
timed() {
    local name=$1
    shift
    /usr/bin/time -o time -f "wall_s %e user_s %U system_s %S max_rss_kib %M" "$@" >output 2>&1 ||
        { cat output >&2; exit 1; }
    echo "$name: $(tail -1 time)" | tee -a runs.txt
}

# The first COUNT sectors of one random order, or 8 MiB, are overwritten in FILE.
lost=1
burst() { dd if=/dev/urandom of="$1" bs=1M seek=200 count=8 conv=notrunc status=none; }
scatter() {
    local number
    while read -r number; do
        dd if=/dev/urandom of="$1" bs=$sector seek="$number" count=1 conv=notrunc status=none
    done < <(awk -v count="$2" -v all=$(($(stat -c %s "$1") / sector)) -v seed="$lost" 'BEGIN {
        srand(seed)
        while (made < count) {
            number = int(rand() * all)
            if (!(number in seen)) { seen[number]; print number; made++ }
        }
    }')
}

pack() { timed "bakpak pack --parity $1" "$bakpak" pack -o "$2" --attach data --key-file key --quiet --force --parity "$1"; }
copy() { rm -f "$2"; cp "$1" "$2"; }

par2_of() {
    local name="par2 $1" count=$2
    shift 2
    for ((run = 1; run <= count; run++)); do
        rm -f par2/*
        copy none par2/archive
        timed "$name create" par2 create -q -q "$@" -r3 -n1 par2/archive.par2 par2/archive
        timed "$name verify" par2 verify -q -q par2/archive.par2
    done
    echo "$name: $(du -cb par2/*.par2 | tail -1 | cut -f 1) bytes of par2 files"
    for damage in burst scatter; do
        copy none par2/damaged
        $damage par2/damaged 200
        for ((run = 1; run <= count; run++)); do
            rm -f par2/archive.1
            copy par2/damaged par2/archive
            # With fewer blocks than there are lost sectors nothing is repaired.
            if par2 verify -q -q par2/archive.par2 >/dev/null; [ $? -eq 2 ]; then
                echo "$name repair $damage: repair is not possible"
                break
            fi
            timed "$name repair $damage" par2 repair -q -q par2/archive.par2
            cmp par2/archive none
        done
        rm -f par2/damaged par2/archive.1
    done
    copy none par2/archive
}

# Whether the first COUNT lost sectors are repaired.
par2_repairs() {
    copy none par2/archive
    scatter par2/archive "$1"
    par2 verify -q -q par2/archive.par2 >/dev/null && return 0
    [ $? -eq 1 ]
}
bakpak_repairs() {
    copy three damaged
    scatter damaged "$1"
    "$bakpak" repair damaged -o mended --force --quiet 2>/dev/null </dev/null && cmp -s mended three
}

# limit COMMAND LOW HIGH: the greatest count that it repairs; LOW is one, HIGH is not.
limit() {
    local low=$2 high=$3 middle
    while ((high - low > 1)); do
        middle=$(((low + high) / 2))
        if $1 $middle; then low=$middle; else high=$middle; fi
    done
    echo "$low"
}
limits() {
    local found=()
    for lost in 1 2 3; do
        found+=("$(limit "$2" "$3" "$4")")
    done
    echo "$1: scattered sectors repaired, in three random orders: ${found[*]}"
}

mkdir par2
{
    echo "$description"
    echo "- par2: $(par2 --version), $(dpkg-query -W -f '${Package} ${Version}' par2 2>/dev/null || true)"
    echo "- command: \`benches/repair.sh\`"
    for ((run = 1; run <= runs; run++)); do
        pack none none
        pack 3 three
    done
    echo "archive without parity: $(stat -c %s none) bytes; with 3 %: $(stat -c %s three) bytes"
    for ((run = 1; run <= runs; run++)); do
        timed "bakpak verify --keyless" "$bakpak" verify --keyless three
        timed "bakpak verify --key-file" "$bakpak" verify --key-file key three
    done
    for damage in burst scatter; do
        copy three damaged
        $damage damaged 200
        for ((run = 1; run <= runs; run++)); do
            timed "bakpak repair $damage" "$bakpak" repair damaged -o mended --force --quiet
            cmp mended three
            copy three in-place
            cp damaged in-place
            timed "bakpak repair --in-place $damage" "$bakpak" repair in-place --in-place --quiet
            cmp in-place three
        done
    done
    limits "bakpak --parity 3" bakpak_repairs 200 6000
    rm -f damaged mended in-place
    lost=1
    par2_of "2000 blocks" "$runs"
    limits "par2 2000 blocks" par2_repairs 30 200
    lost=1
    par2_of "blocks of 64 KiB" "$runs_small" -s65536
    limits "par2 blocks of 64 KiB" par2_repairs 100 600
    cut -d : -f 1 runs.txt | sort -u | while read -r name; do
        for field in 3 5 9; do
            awk -F ': ' -v n="$name" '$1 == n { print $2 }' runs.txt | cut -d ' ' -f $((field - 1)) |
                sort -n | awk '{ a[NR] = $1 } END { printf "%s ", a[int((NR + 1) / 2)] }'
        done | awk -v n="$name" '{ print "median " n ": wall_s " $1 " user_s " $2 " max_rss_kib " $3 }'
    done
} | tee result.txt
mkdir -p "$results"
cp result.txt "$raw"
