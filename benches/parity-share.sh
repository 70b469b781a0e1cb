#!/usr/bin/env bash
# What parity costs when packing: the files of a server, packed without and with each geometry in turn.
#
#   benches/parity-share.sh
#
# 1 GiB of files as `cargo xtask compare` makes them (a database, logs, artifacts, synthetic packages),
# below $TMPDIR, with the archive 2 GiB. RUNS says how often (7), THREADS with how many ("1 2").
# RESULTS=DIR puts the results elsewhere than below benches/results/.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=machine.sh
. "$(dirname "$0")/machine.sh"

results=$(results_folder)
raw=$results/parity-share.txt
refuse_to_replace "$raw"
description=$(describe_machine)

cd "$repository"
cargo build --quiet --release -p bakpak
cargo build --quiet --release -p bakpak-benches --bin make-workload
programs=$(realpath "${CARGO_TARGET_DIR:-target}/release")
work=$(mktemp -d "${TMPDIR:-/tmp}/bakpak-parity-share.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

runs=${RUNS:-7}
mib=1048576
mkdir -p sql home
"$programs/make-workload" database sql/1.mdf $((400 * mib))
"$programs/make-workload" logs home/logs 8000 $((144 * mib))
"$programs/make-workload" artifacts home/artifacts 160 $((80 * mib))
"$programs/make-workload" packages home/packages $((400 * mib))
"$programs/bakpak" key generate -o key 2>/dev/null

median() { sort -n | awk '{ a[NR] = $1 } END { print a[int((NR + 1) / 2)] }'; }

{
    echo "$description"
    echo "- command: \`benches/parity-share.sh\`"
    echo "- $(du -sb --total sql home | tail -1 | cut -f 1) bytes in all, in $(df --output=fstype . | tail -1)"
    for threads in ${THREADS:-1 2}; do
        for ((run = 1; run <= runs; run++)); do
            for parity in none 1.5 3 6 12; do
                rm -f archive
                /usr/bin/time -o time -f "%e %U %S %M" "$programs/bakpak" pack -o archive --sql sql --home home \
                    --key-file key --quiet --threads "$threads" --parity "$parity" --allow-incomplete 2>errors ||
                    [ $? -eq 23 ] || { cat errors; exit 1; }
                read -r wall user system memory < <(tail -1 time)
                cpu=$(awk "BEGIN { print $user + $system }")
                echo "run $run threads $threads parity $parity: wall_s $wall cpu_s $cpu max_rss_kib $memory archive $(stat -c %s archive)" |
                    tee -a runs.txt
            done
        done
    done
    for threads in ${THREADS:-1 2}; do
        for parity in none 1.5 3 6 12; do
            of() { awk -v t="$threads" -v p="$parity:" -v k="$1" '$4 == t && $6 == p { for (i = 7; i < NF; i += 2) if ($i == k) print $(i + 1) }' runs.txt | median; }
            wall=$(of wall_s) cpu=$(of cpu_s)
            [ $parity != none ] || { wall_none=$wall cpu_none=$cpu; }
            echo "median threads $threads parity $parity: wall_s $wall ($(awk "BEGIN { printf \"%+.1f\", 100 * ($wall / $wall_none - 1) }") %) cpu_s $cpu ($(awk "BEGIN { printf \"%+.1f\", 100 * ($cpu / $cpu_none - 1) }") %) max_rss_kib $(of max_rss_kib) archive $(of archive)"
        done
    done
} | tee result.txt
mkdir -p "$results"
cp result.txt "$raw"
