#!/usr/bin/env bash
# Runs the criterion benches and keeps what they say.
#
#   benches/stages.sh [ARGUMENTS OF CRITERION]
#
# RESULTS=DIR puts the results elsewhere than below benches/results/.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=machine.sh
. "$(dirname "$0")/machine.sh"

results=$(results_folder)
raw=$results/stages.txt
summary=$results/stages.md
refuse_to_replace "$raw"
description=$(describe_machine)

cd "$repository"
cargo bench --quiet -p bakpak-benches --no-run
# In a folder of its own, so that nothing is compared with runs before.
work=$(mktemp -d "${TMPDIR:-/tmp}/bakpak-stages.XXXXXX")
trap 'rm -rf "$work"' EXIT
CRITERION_HOME=$work cargo bench --quiet -p bakpak-benches -- --noplot "$@" >"$work/stages.txt"

mkdir -p "$results"
cp "$work/stages.txt" "$raw"
{
    echo "# Stages"
    echo
    echo "$description"
    echo "- command: \`benches/stages.sh${*:+ $*}\`"
    echo
    echo "Raw output: [stages.txt](stages.txt), with the confidence intervals."
    echo
    echo "| bench | time | throughput |"
    echo "|---|---|---|"
    # A name stands before its time, or on a line of its own if it is long.
    awk '
        /^[^ ]/ { name = $1 }
        $1 == "time:" || $2 == "time:" { split($0, part, /[][]/); split(part[2], time, " ") }
        $1 == "thrpt:" {
            split($0, part, /[][]/)
            split(part[2], rate, " ")
            printf "| %s | %s %s | %s %s |\n", name, time[3], time[4], rate[3], rate[4]
        }' "$raw"
    echo
    echo "| sizes | bytes in | bytes out |"
    echo "|---|---|---|"
    sed -n 's/^size \(.*\): \([0-9]*\) -> \(.*\)$/| \1 | \2 | \3 |/p' "$raw"
} >"$summary"
cat "$summary"
