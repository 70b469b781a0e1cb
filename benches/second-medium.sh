#!/usr/bin/env bash
# Packs a full backup with a differential and with a second full one of the same database: as SQL
# Server's media, which are cut at pages, and as their bare pages, which are cut at anchors.
#
#   benches/second-medium.sh
#
# The second backup differs in one page of 8 KiB in each of 283 of its 4,800 extents of 64 KiB; the
# differential holds these extents. The pages begin at another offset in each medium. All files are
# made below $TMPDIR, 2 GiB at most. RESULTS=DIR puts the results elsewhere than below benches/results/.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=machine.sh
. "$(dirname "$0")/machine.sh"

results=$(results_folder)
raw=$results/second-medium.txt
refuse_to_replace "$raw"
description=$(describe_machine)

cd "$repository"
# Apart, so that the program is not built with what the example needs of a library.
cargo build --quiet --release -p bakpak
cargo build --quiet --release -p bakpak-benches --bin make-workload --example medium
programs=$(realpath "${CARGO_TARGET_DIR:-target}/release")
work=$(mktemp -d "${TMPDIR:-/tmp}/bakpak-second-medium.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

extents=4800
touched=283
mkdir -p pages media
# The pages behind the first backup's end are the ones that change it.
"$programs/make-workload" database longer $(((extents * 8 + touched) * 8192))
head -c $((extents * 65536)) longer >pages/1-full.bak
cp pages/1-full.bak pages/3-full.bak
for ((i = 0; i < touched; i++)); do
    extent=$((i * extents / touched))
    dd if=longer of=pages/3-full.bak bs=8192 count=1 conv=notrunc status=none \
        skip=$((extents * 8 + i)) seek=$((extent * 8 + i % 8))
    dd if=pages/3-full.bak bs=65536 count=1 status=none skip=$extent >>pages/2-diff.bak
done
rm longer
"$programs/examples/medium" pages/1-full.bak media/1-full.bak first
"$programs/examples/medium" pages/3-full.bak media/3-full.bak "the second full backup of this week, of the same server"
"$programs/examples/medium" pages/2-diff.bak media/2-diff.bak "a differential backup"
"$programs/bakpak" key generate -o key

# Small blocks show small differences. The pages have no checksums, and stand in a medium that was made
# for others, so some is found wrong with them (23); they are packed all the same.
pack() {
    local kind=$1 file
    shift
    rm -rf sql archive
    mkdir sql
    for file in "$@"; do ln "$kind/$file.bak" sql/; done
    "$programs/bakpak" pack -o archive --sql sql --key-file key --quiet --block-size 64K --allow-incomplete 2>errors ||
        [ $? -eq 23 ] || { cat errors; exit 1; }
    "$programs/bakpak" verify archive --key-file key >verified 2>&1 || [ $? -eq 23 ] || { cat verified; exit 1; }
    echo "$kind: $*: $(stat -c %s archive) bytes"
}

{
    echo "$description"
    echo "- command: \`benches/second-medium.sh\`"
    for kind in pages media; do
        pack $kind 1-full
        pack $kind 1-full 2-diff
        pack $kind 1-full 3-full
        pack $kind 1-full 2-diff 3-full
    done
} | tee result.txt
mkdir -p "$results"
cp result.txt "$raw"
