# What a change must pass.
check:
    cargo fmt --check
    cargo clippy --locked --all-targets -- -D warnings
    cargo test --locked
    RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps
    cargo deny check bans licenses sources

# The model against the program, over many more histories than a test run draws.
histories count="100000":
    GUESTLIST_HISTORIES={{count}} cargo test --release --test it properties
