# What a developer runs. `just` lists it.

default:
    @just --list

# Format all code
fmt:
    cargo fmt --all

# What CI refuses
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps
    cargo deny check bans licenses sources

# All tests but the slow group
test:
    cargo test --workspace

# The slow group: tests that take much time or processor
test-slow:
    cargo test --workspace -- --ignored slow_

# Real clients and the conformance suite (needs Python, npm and curl)
interop:
    tests/interop/run

# Write the documents that are made from code
docs:
    cargo build
    target/debug/kasm-mcp settings --format env > .env.example
    tests/docs target/debug/kasm-mcp README.md docs/clients.md docs/tools.md

demo:
    cargo run -- demo

# What ships: the archive that install.sh takes and the bundle for desktop programs, in dist/
dist:
    deploy/release/build dist

# The ways to deploy, each really done (needs root)
deploy:
    cargo build --locked
    KASM_MCP_BIN=target/debug/kasm-mcp tests/deploy/run

# The table of calls per second, beside a bare rmcp server
bench:
    benches/run

# The instructions of one call beside the committed counts; `just instructions --write` renews them (needs valgrind)
instructions *options:
    cargo build --release --locked
    benches/instructions {{options}}

ci:
    .ci/run
