#!/usr/bin/env bash
# Damages to an archive of full size, each verb of the real program over each of them.
#
#   benches/damage-full.sh
#
# 640 MiB of random bytes in blocks of 1 MiB: a full stripe of 494 blocks and a shorter one. At each kind of
# place a stretch is zeroed and another one cut out; in a block all else is done too that
# `crates/bakpak-codec/tests/damage.rs` does with small archives. What can be mended must verify as that
# (21), be mended to the last byte and be salvaged whole; what cannot must be told (20), and nothing that
# is not right may stand where it belongs. `unpack` and `list` may succeed only with all of it. Prints one
# line of exit codes for each damage. BAKPAK names the program, if it is not to be built. Needs 3 GiB below $TMPDIR.
# RESULTS=DIR puts the results elsewhere than below benches/results/.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=machine.sh
. "$(dirname "$0")/machine.sh"

results=$(results_folder)
raw=$results/damage-full.txt
refuse_to_replace "$raw"
description=$(describe_machine)

cd "$repository"
if [ -z "${BAKPAK:-}" ]; then
    cargo build --quiet --release -p bakpak
    BAKPAK=${CARGO_TARGET_DIR:-target}/release/bakpak
fi
bakpak=$(realpath "$BAKPAK")
work=$(mktemp -d "${TMPDIR:-/tmp}/bakpak-damage-full.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

mib=$((1 << 20))
mkdir -p home/first home/last
head -c $((600 * mib)) /dev/urandom >home/large
head -c 3000000 /dev/urandom >home/first/file
head -c $((38 * mib)) /dev/urandom >home/last/file
ln -s file home/last/link
"$bakpak" key generate -o key 2>/dev/null
"$bakpak" pack -o whole --home home --key-file key --block-size 1M --quiet
"$bakpak" list whole --key-file key >names
len=$(stat -c %s whole)

places_of() { LC_ALL=C grep -obUaF "$1" whole | cut -d : -f 1; }
mapfile -t blocks < <(places_of BPBK | awk 'NR == 1 { first = $1 } ($1 - first) % 4096 == 0')
mapfile -t pages < <(places_of BPCP | awk '$1 % 4096 == 0')
first=${blocks[0]}
((${#pages[@]} == 4 && pages[0] - first == 494 * mib)) ||
    { echo "damage-full.sh: error: this is not the archive that was expected: check pages at ${pages[*]}" >&2; exit 1; }

# Bytes of `whole`.
part() { dd if=whole bs=$mib iflag=skip_bytes,count_bytes skip="$1" count="$2" status=none; }
rest() { part "$1" $((len - $1)); }
zeros() { head -c "$1" /dev/zero; }

# damaged KIND OFFSET LENGTH: what becomes of `whole`.
damaged() {
    local at=$2 long=$3 end=$(($2 + $3))
    case $1 in
        flip) part 0 "$at"; part "$at" 1 | tr '\000-\377' '\001-\377\000'; rest $((at + 1)) ;;
        zero) part 0 "$at"; zeros "$long"; rest "$end" ;;
        cut) part 0 "$at"; rest "$end" ;;
        insert) part 0 "$at"; head -c "$long" /dev/urandom; rest "$at" ;;
        swap) part 0 "$at"; part "$end" "$long"; part "$at" "$long"; rest $((end + long)) ;;
        repeat) part 0 "$end"; rest "$at" ;;
        ends) zeros "$first"; part "$first" $((long - first)); zeros $((len - long)) ;;
    esac
}

failures=0
wrong() { echo "WRONG: $*"; failures=$((failures + 1)); }

# run NAME ARGUMENT...: runs the program; its exit code is in `code`, what it says in NAME.txt.
run() {
    local name=$1
    shift
    code=0
    "$bakpak" "$@" >"$name.txt" 2>&1 </dev/null || code=$?
    codes+=" $name $code"
    ((code < 100)) || wrong "$what: $name ends with $code"
}

# try FATE PLACE KIND OFFSET LENGTH: FATE is mended or lost.
try() {
    local fate=$1 what="$3 of $2"
    codes=""
    rm -rf mended out taken
    damaged "$3" "$4" "$5" >d
    local expected=21 repaired=0 salvaged=0
    [ "$fate" = mended ] || { expected=20 repaired=20 salvaged=20; }
    run verify-keyless verify d --keyless
    [ $code -eq $expected ] || wrong "$what: verify --keyless says $code"
    run verify verify d --key-file key
    [ $code -eq $expected ] || wrong "$what: verify says $code"
    run repair repair d -o mended
    [ $code -eq $repaired ] || wrong "$what: repair says $code"
    if [ $code -eq 0 ]; then cmp -s mended whole || wrong "$what: mended to something else"; fi
    rm -f mended
    run list list d --key-file key
    if [ $code -eq 0 ]; then grep -v ^bakpak: list.txt | cmp -s - names || wrong "$what: other names"; fi
    run unpack unpack d --to out --key-file key
    if [ $code -eq 0 ]; then diff -r --no-dereference home out/home >&2 || wrong "$what: unpacked something else"
    elif [ -e out ]; then wrong "$what: unpack failed, and left something"; fi
    rm -rf out
    run salvage salvage d --to taken --key-file key
    [ $code -eq $salvaged ] || wrong "$what: salvage says $code"
    if [ -d taken/home ]; then
        # What is there is right; all of it is there unless it is told.
        local differences
        differences=$(diff -rq --no-dereference home taken/home | grep -v '^Only in home' || true)
        [ -z "$differences" ] || wrong "$what: salvaged something else: $differences"
        if [ $salvaged -eq 0 ]; then diff -rq --no-dereference home taken/home || wrong "$what: not all is salvaged"; fi
    fi
    rm -rf taken d
    echo "$what ($fate):$codes"
}

{
    echo "$description"
    echo "- command: \`benches/damage-full.sh\`"
    echo "archive: $len bytes, blocks from $first, check pages at ${pages[*]}"
    for place in \
        "head 0 4096" "slots $((first - 16384)) 16384" "the-first-block $first $mib" \
        "a-block $((first + 300 * mib)) $mib" "a-block-of-the-second-stripe $((pages[2] - 40 * mib)) $mib" \
        "check-page ${pages[0]} 65536" "parity $((pages[0] + 4 * mib)) $mib" "check-page-again ${pages[1]} 65536" \
        "check-page-of-the-second-stripe ${pages[2]} 65536" "tail $((len - 8192)) 8192"; do
        read -r name at long <<<"$place"
        try mended "$name" zero "$at" "$long"
        try mended "$name" cut $((at + 100)) 5000
    done
    at=$((first + 200 * mib))
    try mended a-block flip $((at + 5000)) 1
    try mended a-block insert $((at + 777)) 5000
    try mended two-blocks swap "$at" "$mib"
    try mended a-block repeat "$at" "$mib"
    try mended sixteen-blocks-less-a-sector zero $((at + 4096)) $((16 * mib - 4096))
    try lost seventeen-blocks zero "$at" $((17 * mib))
    # Head, tables and the tail with their copies: only the check pages have some.
    try mended head-and-tail ends 0 $((len - 24576))
    echo "$failures wrong"
} | tee result.txt
mkdir -p "$results"
cp result.txt "$raw"
grep -q '^0 wrong$' result.txt
