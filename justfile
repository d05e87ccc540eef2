# The checks of .ci/run under short names: `just`, `just test`, `just fuzz`. What each one runs stands there.

# All checks, as CI runs them.
ci:
    .ci/run

# What to run before a commit.
quick: fmt clippy test

# Formats all three workspaces.
format:
    cargo fmt --all
    cd benches/peers && cargo fmt
    cd fuzz && cargo fmt

fmt:
    .ci/run fmt

clippy:
    .ci/run clippy

test:
    .ci/run test

examples-test:
    .ci/run examples-test

docs:
    .ci/run docs

features:
    .ci/run features

examples:
    .ci/run examples

namespaces:
    .ci/run namespaces

benches:
    .ci/run benches

fuzz-check:
    .ci/run fuzz-check

deny:
    .ci/run deny

interop:
    .ci/run interop

# Runs each fuzz target for so many seconds.
fuzz seconds="20":
    bash fuzz/run {{seconds}}

# Measures msgrpc beside other crates and bare sockets; takes minutes.
bench *arguments:
    cd benches/peers && cargo run --release --features msgrpc -- {{arguments}}
