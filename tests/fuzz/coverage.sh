#!/bin/sh
# RUSTC_WORKSPACE_WRAPPER of `cargo xtask fuzz`: this workspace's crates count the edges that are taken, for libFuzzer.
# Crates of others stay as they are built already. Programs that run while building are not counted.
case " $* " in
*" --crate-name build_script_"* | *" --crate-type proc-macro "* | *" - "*) exec "$@" ;;
esac
exec "$@" -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=3 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1
