//! Who is who: the keys, the host and the handle of an account, from files and from the network.
//!
//! What a file says counts, and is never asked for elsewhere. Everything else is looked up by [`Resolver`], as far as
//! that is needed and allowed: a DID and a handle are a stranger's word, so where they lead is guarded (`guard`), how
//! often and how many at once is bounded (`budget`, `gate`), and what was found is remembered (`cache`). It decides
//! nothing but whether a signature, of a commit or of a service token, is by a key of the account: verdicts know DIDs only (RULES §2), handles are for
//! people. Spec: PROTOCOL §6.
#![allow(clippy::disallowed_methods, reason = "a shell: it reads files and sockets, and knows the time")]

mod budget;
mod cache;
mod callers;
mod directory;
mod document;
mod failure;
mod gate;
mod lookup;
mod method;
mod plc;
mod resolver;
mod settings;
mod shown;
#[cfg(test)]
pub(crate) mod tests;

pub use budget::{Bucket, Buckets, Rate, RefreshRates};
pub use directory::{Directory, IdentityError};
pub use document::{Document, FormerKey};
pub use failure::{Unproved, Unresolved, UnresolvedHandle};
pub use gate::Bounds;
pub use resolver::Resolver;
pub use settings::{Limits, Settings};
/// What is shown for an account that is known, but not by a handle that holds both ways (RULES §4).
pub const INVALID_HANDLE: &str = "handle.invalid";
