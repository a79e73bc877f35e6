//! Why a message from a peer was not used: the closed set of counted reasons.
//!
//! A rejection is a value. It is counted under its reason and the stream goes on; it never becomes an
//! error that stops the loop.

macro_rules! rejects {
    ($($(#[doc = $doc:literal])+ $variant:ident => $reason:literal,)+) => {
        /// Why a message was not used.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reject {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Reject {
            /// Every reason there is.
            pub const ALL: &'static [Reject] = &[$(Reject::$variant,)+];

            /// The name under which it is counted.
            pub fn reason(self) -> &'static str {
                match self {
                    $(Reject::$variant => $reason,)+
                }
            }
        }
    };
}

rejects! {
    /// A dump ended inside a frame.
    TruncatedFrame => "truncated-frame",
    /// A frame over `FRAME_BYTES_MAX`.
    FrameTooLarge => "frame-too-large",
    /// Header or payload is not canonical DAG-CBOR, or something follows them.
    FrameNotDagCbor => "frame-not-dag-cbor",
    /// Header or payload nests deeper than `FRAME_DEPTH_MAX`.
    FrameTooDeep => "frame-too-deep",
    /// The header's `op` is none that we know.
    UnknownOp => "unknown-op",
    /// The header's `t` is none that we know.
    UnknownType => "unknown-type",
    /// The upstream sent an error frame.
    ErrorFrame => "error-frame",
    /// A payload field is missing or of the wrong type.
    BadField => "bad-field",
    /// `repo` or `did` is no DID.
    BadDid => "bad-did",
    /// `rev` is no TID.
    BadRev => "bad-rev",
    /// An operation's path is not `collection/rkey`.
    BadPath => "bad-path",
    /// An operation's action is unknown, or does not go with its `cid` or `prev`.
    BadAction => "bad-action",
    /// Two operations of one commit have the same path.
    DuplicatePath => "duplicate-path",
    /// More than `COMMIT_OPS_MAX` operations.
    TooManyOps => "too-many-ops",
    /// More bytes in `blocks` than the lexicon allows.
    BlocksTooLarge => "blocks-too-large",
    /// The deprecated `tooBig` is set: the operations are not in the message.
    TooBig => "too-big",
    /// `blocks` is no CAR version 1.
    CarMalformed => "car-malformed",
    /// The CAR's first root is not the commit that the message names.
    CarRootMismatch => "car-root-mismatch",
    /// A block that is needed is not in the CAR.
    BlockMissing => "block-missing",
    /// A block does not hash to its CID.
    BlockHashMismatch => "block-hash-mismatch",
    /// The commit block is no signed commit of version 3.
    CommitMalformed => "commit-malformed",
    /// A tree that is not the one that its keys and records make.
    MstMalformed => "mst-malformed",
    /// A repository export that ends too early.
    TruncatedExport => "truncated-export",
    /// A repository export with more blocks, keys or bytes of wanted records than are taken, or larger nodes.
    ExportTooLarge => "export-too-large",
    /// The signed commit names another DID than the message.
    CommitDidMismatch => "commit-did-mismatch",
    /// The signed commit has another rev than the message.
    CommitRevMismatch => "commit-rev-mismatch",
    /// A revision more than a few minutes ahead of the clock, from a live source.
    FutureRev => "future-rev",
    /// What an operation says is not what the signed tree holds, or does not lead back to `prevData`.
    ProofMismatch => "proof-mismatch",
    /// Nodes that would show it are not in the message.
    ProofIncomplete => "proof-incomplete",
    /// The signature is not the account's.
    BadSignature => "bad-signature",
    /// The account does not exist, or its document has no key that signs.
    NoSigningKey => "no-signing-key",
    /// Which key the account has could not be found out in time.
    IdentityUnresolved => "identity-unresolved",
    /// A line over `JETSTREAM_LINE_BYTES_MAX`.
    LineTooLarge => "line-too-large",
    /// A compressed Jetstream message cannot be decompressed, or is over `JETSTREAM_LINE_BYTES_MAX`.
    NotDecompressed => "not-decompressed",
    /// A line is no JSON object of a Jetstream event.
    LineNotJson => "line-not-json",
    /// A Jetstream event's `kind` is none that we know.
    UnknownKind => "unknown-kind",
    /// A Jetstream create or update without a record.
    RecordMissing => "record-missing",
    /// A record, or the tree before, without a well-formed CID of a block.
    BadCid => "bad-cid",
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Reject;

    #[test]
    fn every_reason_has_a_name_of_its_own() {
        let names: BTreeSet<_> = Reject::ALL.iter().map(|reject| reject.reason()).collect();
        assert_eq!(names.len(), Reject::ALL.len());
    }
}
