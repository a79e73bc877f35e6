//! The black-box tests: one binary, one module a subject.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and is a shell of its own"
)]

mod agreement;
mod answers;
mod archives;
mod bad_input;
mod documents;
mod engines;
mod faults;
mod frames;
mod harness;
mod history;
mod interop;
mod large;
mod model;
mod properties;
mod recordings;
mod replays;
mod serving;
mod tidy;
mod trees;
mod usage;
