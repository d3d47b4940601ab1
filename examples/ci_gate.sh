#!/bin/sh
# A gate for continuous integration: export a checkpoint, check it against PyTorch, fail if it is wrong or got worse.
#
#     examples/ci_gate.sh CHECKPOINT FOLDER [BASELINE]
#
# The first run makes FOLDER/parity.json. Commit it, and give it as BASELINE from then on. Exit code: 0 all that ran
# passed, 1 a check failed or an error grew by more than half, 2 something could not run.
set -eu
checkpoint=$1 folder=$2 baseline=${3:-}

mkdir -p "$folder"
export-onnx "$checkpoint" -o "$folder/bundle" --size "${SIZE:-256}"
validate-engines "$folder/bundle" --junit "$folder/junit.xml" ${baseline:+--baseline "$baseline"}
cp "$folder/bundle/reports/parity.json" "$folder/parity.json"
