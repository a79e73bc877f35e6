//! Every bound on what a peer may send, in one place, each with its reason.
//!
//! A value over its bound is a counted rejection (see [`super::Reject`]) or an unusable record, never an
//! error that stops the stream. Sources: atproto specs event-stream, sync, repository and data-model.
//!
//! Some implementations also bound the elements of a container (131,072), the bytes of a map key (8,192) and of
//! a CID (100) in a record. Those are not here on purpose: the rules know no reason for them, and the bytes of
//! the record bound them all.

/// Bytes of one firehose frame. The sync spec's hard limit for the repository stream.
pub const FRAME_BYTES_MAX: usize = 5_000_000;

/// Nested maps and arrays in a frame outside its `blocks`. The deepest field of any message type has four
/// levels; the rest is room for fields that do not exist yet.
pub const FRAME_DEPTH_MAX: usize = 64;

/// Bytes of the CAR slice in a `#commit`: the limit of the subscribeRepos lexicon.
pub const COMMIT_BLOCKS_BYTES_MAX: usize = 2_000_000;

/// Operations in one `#commit`: the limit of the subscribeRepos lexicon.
pub const COMMIT_OPS_MAX: usize = 200;

/// Bytes of the CAR slice in a `#sync`, which holds one commit block: the limit of the lexicon.
pub const SYNC_BLOCKS_BYTES_MAX: usize = 10_000;

/// Blocks in one CAR slice. 2,000,000 bytes hold at most 54,000 blocks of a CID and no data; an honest
/// slice of 200 operations has a few thousand.
pub const CAR_BLOCKS_MAX: usize = 60_000;

/// Bytes of one record. The sync spec's limit; above it a record is unusable (`too-large`).
pub const RECORD_BYTES_MAX: usize = 1_000_000;

/// Levels of maps and arrays in one record, the record itself being the first. The data validation guide's
/// limit; above it a record is unusable (`too-deep`).
pub const RECORD_DEPTH_MAX: usize = 32;

/// Levels up to which bytes are examined at all. Beyond it the answer is "too deep" without a look at the
/// rest, so that the walk's own memory stays under 3 MB whatever a peer nests.
pub const DEPTH_EXAMINED_MAX: usize = 65_536;

/// Bytes of one Jetstream line: a record at its limit, written as JSON with every byte escaped, and its
/// envelope.
pub const JETSTREAM_LINE_BYTES_MAX: usize = 8_000_000;

/// Brackets a Jetstream record may nest before it is `too-deep` without being parsed. Above
/// [`RECORD_DEPTH_MAX`], because `$link` and `$bytes` objects are no levels, and below the JSON parser's
/// own limit of 128.
pub const JSON_DEPTH_PARSED_MAX: usize = 100;

/// Blocks in one repository export. Where each stands is kept in memory, sixteen bytes a block; the largest
/// repositories known have a few hundred thousand.
pub const EXPORT_BLOCKS_MAX: usize = 4_000_000;

/// Keys in the tree of one repository export. Keys may name the same block, so that blocks do not bound them.
pub const EXPORT_KEYS_MAX: usize = 4_000_000;

/// Bytes of wanted records in one repository export beyond those of its file, which there are where several keys name
/// the same block: else a small file of keys for one large record would be read for hours.
pub const EXPORT_REPEATED_BYTES_MAX: u64 = 64_000_000;

/// Bytes of a key in a repository's tree: what other implementations allow. A path has 830 at most. Without a limit
/// a node of a few megabytes could hold keys that share their beginnings and have gigabytes together.
pub const MST_KEY_BYTES_MAX: usize = 1024;

/// Bytes of the nodes on the way from the root of a repository's tree to a key. Their keys are held whole, which may
/// take fifty times as much. A node has four keys on average, and one in 10^37 would have 300; twelve nodes deep are the
/// largest repositories, so that some kilobytes are usual.
pub const MST_WAY_BYTES_MAX: usize = 500_000;

/// Bytes of wanted records in one repository export, with a thousand for each, where they are applied in one go: some
/// forty thousand records of the usual size.
pub const EXPORT_RECORD_BYTES_MAX: usize = 64_000_000;

/// The greatest `seq`: every JSON reader knows it exactly. The event-stream spec's limit.
pub const SEQ_MAX: u64 = (1 << 53) - 1;

/// How far a revision may be ahead of the clock, in microseconds. A repository whose revision is far ahead would
/// ignore every honest commit after it; five minutes are what relays allow clocks to differ.
pub const REV_AHEAD_MICROS_MAX: i64 = 300_000_000;

/// Bytes of a service token. Hosts write a few hundred; the longest issuer and the longest `jti` fit.
pub const SERVICE_TOKEN_BYTES_MAX: usize = 8_192;

/// Bytes of a token's `jti`. Hosts write 32 characters.
pub const SERVICE_TOKEN_ID_BYTES_MAX: usize = 512;
