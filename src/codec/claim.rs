//! What a message claims and only a signature can prove.
//!
//! Decoding shows that a message hangs together: every operation is in the tree that the commit names, and undoing
//! them leads back to the tree before. That the account signed the commit takes its key, which is not in the
//! message; so decoding leaves a [`Claim`] for whoever knows keys. Spec: PROTOCOL §4.1 and §4.4.

use serde::{Deserialize, Serialize};

use super::key::PublicKey;
use crate::syntax::{Did, Tid};

/// How much of what a source says is proved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Verify {
    /// Signatures, trees, and that commits follow each other.
    #[default]
    Full,
    /// Signatures. Operations are not signed, and are taken as they come.
    Signature,
    /// Blocks against their CIDs; everything else is taken as it comes.
    Off,
}

/// A signature to be checked before what came with it is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Whose signature it is said to be.
    pub did: Did,
    /// The revision that was signed.
    pub rev: Tid,
    /// The SHA-256 of what was signed: the commit object without its signature.
    pub digest: [u8; 32],
    /// The signature, of whatever length it came.
    pub signature: Box<[u8]>,
}

impl Claim {
    /// Whether this key made the signature, in its low-S form.
    pub fn is_proved_by(&self, key: &PublicKey) -> bool {
        key.verifies_digest(&self.digest, &self.signature)
    }
}
