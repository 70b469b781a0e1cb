#!/usr/bin/env bash
# Packs two full backups of one database with packages between them: what the far tier is for.
#
#   benches/second-backup.sh PACKAGES     a folder of packages, as `cargo xtask compare` downloads them
#
# The second backup differs in one page of 8 KiB in each of 566 of its 9,600 extents of 64 KiB. All files
# are made below $TMPDIR, 4 GiB at most. RESULTS=DIR puts the results elsewhere than below
# benches/results/.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=machine.sh
. "$(dirname "$0")/machine.sh"

packages=$(realpath "$1")
results=$(results_folder)
raw=$results/second-backup.txt
refuse_to_replace "$raw"
description=$(describe_machine)

cd "$repository"
cargo build --quiet --release -p bakpak -p bakpak-benches --bin bakpak --bin make-workload
programs=$(realpath "${CARGO_TARGET_DIR:-target}/release")
work=$(mktemp -d "${TMPDIR:-/tmp}/bakpak-second-backup.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

extents=9600
touched=566
mkdir -p sql home
# The pages behind the first backup's end are the ones that change it.
"$programs/make-workload" database longer $(((extents * 8 + touched) * 8192))
head -c $((extents * 65536)) longer >sql/1.mdf
cp sql/1.mdf attached.mdf
for ((i = 0; i < touched; i++)); do
    dd if=longer of=attached.mdf bs=8192 count=1 conv=notrunc status=none \
        skip=$((extents * 8 + i)) seek=$((i * extents / touched * 8 + i % 8))
done
rm longer
cp -r "$packages" home/Packages
"$programs/bakpak" key generate -o key

{
    echo "$description"
    echo "- command: \`benches/second-backup.sh PACKAGES\`"
    echo "- $(du -sb --total sql home attached.mdf | tail -1 | cut -f 1) bytes in all"
    # `attachments` come behind `home` in an archive, so the packages lie between.
    for flags in "" "--dedup-memory 0" "--no-match"; do
        # shellcheck disable=SC2086 # flags are words
        "$programs/bakpak" pack -o archive --sql sql --home home --attach attached.mdf \
            --key-file key --quiet $flags
        echo "bakpak pack ${flags:-with the defaults}: $(stat -c %s archive) bytes"
        "$programs/bakpak" verify archive --key-file key >/dev/null
        rm archive
    done
    echo "tar | zstd -3 --long=27: $(tar -c sql home attached.mdf | zstd -q -T0 -3 --long=27 | wc -c) bytes"
} | tee result.txt
mkdir -p "$results"
cp result.txt "$raw"
