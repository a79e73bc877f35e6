//! Where events come from. Each source decodes what it reads and delivers events with their position.
#![allow(clippy::disallowed_methods, reason = "a shell: it reads files")]

pub mod dump;
pub mod replay;
pub mod watch;
