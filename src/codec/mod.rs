//! Bytes ⇄ values of the sync protocol: firehose frames, CAR slices, commits, trees, Jetstream
//! lines, JSON.
//!
//! Everything here is pure and total: any bytes give a value or a [`Reject`], never a panic, and no input
//! makes it recurse. It knows shapes and limits, not what a record means.

pub mod answer;
pub mod car;
pub mod cbor;
pub mod claim;
pub mod commit;
pub mod event;
pub mod frame;
pub mod jetstream;
pub mod json;
pub mod key;
pub mod limits;
pub mod listing;
pub mod mst;
pub mod node;
mod ops;
pub mod proof;
mod reject;
pub mod service_token;
pub mod skim;

pub use reject::Reject;
