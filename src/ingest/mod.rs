//! Where events come from. Each source decodes what it reads and delivers events with their position.
//!
//! Dumps: `dump` reads files, `replay` delivers what is in them, `repository`
//! reads exports of whole repositories. Live sources: `live` keeps one connected,
//! `connect` opens a connection, `socket` reads it into an `inbox`, and behind that `relay` and `jetstream`
//! decode and decide what a message means for the stream. What all share: `watch` knows what is wanted, `outlet`
//! is the way to the writer, along which the `prover` proves messages and the `window` keeps their order.
#![allow(clippy::disallowed_methods, reason = "a shell: it reads files and sockets, and knows the time")]

pub mod backfill;
pub mod backoff;
mod connect;
pub mod dump;
pub mod endpoint;
mod fetch;
mod inbox;
pub mod jetstream;
mod line;
pub mod live;
mod outlet;
pub mod prover;
pub mod relay;
pub mod replay;
pub mod repository;
mod seldom;
mod socket;
pub mod watch;
mod window;

pub use line::{Sweeps, Wiring};
