#!/usr/bin/env bash
# Runs every test. No test needs a server yet; what sets the servers up comes
# with the first adapter that does. Arguments go to `cargo test`.
set -euo pipefail
cd "$(dirname "$0")/.."
exec cargo test --workspace --no-fail-fast --locked "$@"
