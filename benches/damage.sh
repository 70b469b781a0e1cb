#!/usr/bin/env bash
# How much damage archives with parity survive: shares by simulation, the longest burst, and real
# repairs beside the model (`damage --help`).
#
#   benches/damage.sh
#
# TRIALS (10000) of each simulation, DAMAGES (75) to each of eight real archives, which need 1.5 GiB below
# $TMPDIR. RESULTS=DIR puts the results elsewhere than below benches/results/.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=machine.sh
. "$(dirname "$0")/machine.sh"

results=$(results_folder)
raw=$results/damage.txt
refuse_to_replace "$raw"
description=$(describe_machine)

cd "$repository"
cargo build --quiet --release -p bakpak-benches --bin damage
damage=$(realpath "${CARGO_TARGET_DIR:-target}/release")/damage
work=$(mktemp -d "${TMPDIR:-/tmp}/bakpak-damage.XXXXXX")
trap 'rm -rf "$work"' EXIT

{
    echo "$description"
    echo "- command: \`benches/damage.sh\`"
    for verb in "simulate ${TRIALS:-10000}" bursts "validate ${DAMAGES:-75}"; do
        echo "damage $verb:"
        # shellcheck disable=SC2086 # verbs have arguments
        "$damage" $verb
    done
} | tee "$work/result.txt"
mkdir -p "$results"
cp "$work/result.txt" "$raw"
