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
mod api;
mod archives;
mod asked;
mod attestations;
mod backfill;
mod backpressure;
mod bad_input;
mod bad_requests;
mod browsers;
mod complete;
mod crowd;
mod curls;
mod documents;
mod doubts;
mod engines;
mod exports;
mod faults;
mod fixture;
mod floods;
mod following;
mod frames;
mod grades;
mod harness;
mod history;
mod host;
mod hostile;
mod identities;
mod interop;
mod jetstreams;
mod keeping;
mod kills;
mod large;
mod ledger;
mod live_faults;
mod meanwhile;
mod missed;
mod model;
mod names;
mod netbox;
mod opened;
mod ordered;
mod parts;
mod pds;
mod positions;
mod proofs;
mod properties;
mod proving;
mod published;
mod racing;
mod readme;
mod reaping;
mod recordings;
mod relays;
mod replays;
mod searching;
mod secrets;
mod serving;
mod short_batches;
mod signed;
mod smokesignal;
mod smokesignal_reads;
mod smokesignal_search;
mod spaces;
mod stage;
mod statuses;
mod stories;
mod tidy;
mod tokens;
mod told;
mod trees;
mod unit;
mod upgrade;
mod usage;
mod verify;
mod windows;
mod writers;
