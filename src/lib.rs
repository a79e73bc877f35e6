//! guestlist follows the AT Protocol and decides who is really on the guest list.
//!
//! The house, from the ground up; a module uses only modules above it in this list (`tests/it/tidy.rs`
//! holds it to that). The first nine are the core: pure, synchronous, without clock, files or sockets. The
//! rest are shells around it. `ARCHITECTURE.md` tells the way of an event through them.

pub mod syntax;

pub mod codec;

pub mod records;

pub mod tables;

pub mod rules;

pub mod ledger;
pub mod spaces;

pub mod filing;

pub mod reduce;

pub mod net;

pub mod identity;
pub mod store;

pub mod archive;
pub mod check;
pub mod delivery;
pub mod export;
pub mod orders;
pub mod rebuild;
pub mod search;
pub mod sources;

pub mod http;
pub mod indexer;
pub mod ingest;

pub mod config;
pub mod control;
pub mod telemetry;

pub mod app;

pub mod cli;
