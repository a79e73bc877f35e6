//! Keys of spaces: their invites, members, and what was done in them.

use serde::{Deserialize, Serialize};

use super::{END, Key, rkey, split_at, text, write_person};
use crate::records::Kind;
use crate::syntax::{AtUri, Authority, Did, Nsid, RecordKey, TokenHash};
use crate::tables::keys::RecordId;

/// The place of a space. Its owner is whose place it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SpaceId {
    /// The owner.
    pub owner: Did,
    /// What kind of space: a collection, if a record is behind it.
    pub kind: Nsid,
    /// Which of them.
    pub key: RecordKey,
}

impl SpaceId {
    /// The space that a URI names, if it could be one's.
    pub fn from_uri(uri: &AtUri) -> Option<Self> {
        let Authority::Did(owner) = uri.authority() else { return None };
        Some(Self {
            owner: Did::parse(owner).ok()?,
            kind: Nsid::parse(uri.collection()?).ok()?,
            key: RecordKey::parse(uri.record_key()?).ok()?,
        })
    }

    /// The space that is there because a record is.
    pub fn of_record(record: &RecordId) -> Self {
        let kind = Nsid::parse(record.kind.nsid()).expect("every kind has an NSID for a name");
        Self { owner: record.did.clone(), kind, key: record.rkey.clone() }
    }

    /// Its AT-URI.
    pub fn uri(&self) -> String {
        format!("at://{}/{}/{}", self.owner, self.kind, self.key)
    }

    /// The record in whose place it is, if the collection is an indexed one.
    pub fn record(&self) -> Option<RecordId> {
        let kind = Kind::from_nsid(self.kind.as_str())?;
        Some(RecordId { did: self.owner.clone(), kind, rkey: self.key.clone() })
    }
}

/// An invite of a space, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpaceInviteKey {
    /// The space.
    pub space: SpaceId,
    /// When it was made, in milliseconds since the epoch.
    pub created_at: i64,
    /// The hash of its token.
    pub hash: TokenHash,
}

/// An invite that is neither revoked nor used up, in the order in which they expire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenInviteKey {
    /// The space.
    pub space: SpaceId,
    /// When it expires, in milliseconds since the epoch; `i64::MAX` for never.
    pub expires_at: i64,
    /// The hash of its token.
    pub hash: TokenHash,
}

/// A person in a space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberKey {
    /// The space.
    pub space: SpaceId,
    /// Who.
    pub did: Did,
}

/// A space as a person in it finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MembershipKey {
    /// Who.
    pub did: Did,
    /// The space.
    pub space: SpaceId,
}

/// A use of an invite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedemptionKey {
    /// The hash of the invite's token.
    pub hash: TokenHash,
    /// Who used it.
    pub did: Did,
}

/// Something that was done in a space, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpaceAuditKey {
    /// The space.
    pub space: SpaceId,
    /// The number of the entry.
    pub number: u64,
}

/// Appends what the keys of a person's spaces begin with.
pub fn write_owner(owner: &Did, out: &mut Vec<u8>) {
    owner.write(out);
    out.push(b'/');
}

/// Appends what every key of something in a space begins with.
pub fn write_space(space: &SpaceId, out: &mut Vec<u8>) {
    space.write(out);
    out.push(END);
}

/// A time, so that earlier ones sort first, those before the epoch among them.
pub(super) fn write_time(time: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(&(time.cast_unsigned() ^ 1 << 63).to_be_bytes());
}

pub(super) fn read_time(bytes: [u8; 8]) -> i64 {
    (u64::from_be_bytes(bytes) ^ 1 << 63).cast_signed()
}

/// Appends what the keys of the open invites of a space begin with that expire at this time.
pub fn write_open_until(space: &SpaceId, expires_at: i64, out: &mut Vec<u8>) {
    write_space(space, out);
    write_time(expires_at, out);
}

fn read_space(bytes: &[u8]) -> Option<(SpaceId, &[u8])> {
    let (space, rest) = split_at(bytes, END)?;
    Some((SpaceId::read(space)?, rest))
}

impl Key for SpaceId {
    fn write(&self, out: &mut Vec<u8>) {
        write_owner(&self.owner, out);
        out.extend_from_slice(self.kind.as_str().as_bytes());
        out.push(b'/');
        out.extend_from_slice(self.key.as_str().as_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (owner, rest) = split_at(bytes, b'/')?;
        let (kind, key) = split_at(rest, b'/')?;
        Some(Self { owner: Did::read(owner)?, kind: Nsid::parse(text(kind)?).ok()?, key: rkey(key)? })
    }
}

impl Key for TokenHash {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::from_bytes)
    }
}

impl Key for SpaceInviteKey {
    fn write(&self, out: &mut Vec<u8>) {
        write_space(&self.space, out);
        // The other way round: the newest is asked for first.
        write_time(!self.created_at, out);
        self.hash.write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (space, rest) = read_space(bytes)?;
        let (time, hash) = rest.split_first_chunk()?;
        Some(Self { space, created_at: !read_time(*time), hash: TokenHash::read(hash)? })
    }
}

impl Key for OpenInviteKey {
    fn write(&self, out: &mut Vec<u8>) {
        write_open_until(&self.space, self.expires_at, out);
        self.hash.write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (space, rest) = read_space(bytes)?;
        let (time, hash) = rest.split_first_chunk()?;
        Some(Self { space, expires_at: read_time(*time), hash: TokenHash::read(hash)? })
    }
}

impl Key for MemberKey {
    fn write(&self, out: &mut Vec<u8>) {
        write_space(&self.space, out);
        self.did.write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (space, did) = read_space(bytes)?;
        Some(Self { space, did: Did::read(did)? })
    }
}

impl Key for MembershipKey {
    fn write(&self, out: &mut Vec<u8>) {
        write_person(&self.did, out);
        self.space.write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (did, space) = split_at(bytes, END)?;
        Some(Self { did: Did::read(did)?, space: SpaceId::read(space)? })
    }
}

impl Key for RedemptionKey {
    fn write(&self, out: &mut Vec<u8>) {
        self.hash.write(out);
        self.did.write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (hash, did) = bytes.split_first_chunk::<32>()?;
        Some(Self { hash: TokenHash::from_bytes(*hash), did: Did::read(did)? })
    }
}

impl Key for u64 {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_be_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(u64::from_be_bytes)
    }
}

impl Key for SpaceAuditKey {
    fn write(&self, out: &mut Vec<u8>) {
        write_space(&self.space, out);
        (!self.number).write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (space, number) = read_space(bytes)?;
        Some(Self { space, number: !u64::read(number)? })
    }
}

/// A service token that was used: a hash of who issued it and of its `jti`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NonceId(pub [u8; 32]);

/// A used token, in the order in which they expire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NonceExpiryKey {
    /// When it expires, in seconds since the epoch.
    pub expires: u64,
    /// The token.
    pub nonce: NonceId,
}

impl Key for NonceId {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl Key for NonceExpiryKey {
    fn write(&self, out: &mut Vec<u8>) {
        self.expires.write(out);
        self.nonce.write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (expires, nonce) = bytes.split_first_chunk()?;
        Some(Self { expires: u64::from_be_bytes(*expires), nonce: NonceId::read(nonce)? })
    }
}

#[cfg(test)]
mod tests {
    use super::{Key, MemberKey, MembershipKey, OpenInviteKey, SpaceAuditKey, SpaceId, SpaceInviteKey};
    use crate::syntax::{AtUri, Did, TokenHash};

    fn space(uri: &str) -> SpaceId {
        SpaceId::from_uri(&AtUri::parse(uri).unwrap()).unwrap()
    }

    fn written<K: Key + PartialEq + std::fmt::Debug>(key: K) -> Vec<u8> {
        let mut out = Vec::new();
        key.write(&mut out);
        assert_eq!(K::read(&out), Some(key));
        out
    }

    #[test]
    fn keys_lead_back_to_what_they_are() {
        let space = space("at://did:plc:a/tools.atmo.event.space/self");
        let (did, hash) = (Did::parse("did:web:x%3A1").unwrap(), TokenHash::of("x"));
        written(space.clone());
        written(MemberKey { space: space.clone(), did: did.clone() });
        written(MembershipKey { space: space.clone(), did });
        written(OpenInviteKey { space: space.clone(), expires_at: i64::MAX, hash });
        assert_eq!(space.uri(), "at://did:plc:a/tools.atmo.event.space/self");
    }

    #[test]
    fn only_a_record_under_a_did_is_the_place_of_a_space() {
        for uri in ["at://did:plc:a", "at://did:plc:a/a.b.c", "at://host.example/a.b.c/self"] {
            assert_eq!(SpaceId::from_uri(&AtUri::parse(uri).unwrap()), None, "{uri}");
        }
    }

    #[test]
    fn the_newest_invite_and_the_newest_entry_come_first() {
        let space = space("at://did:plc:a/a.b.c/self");
        let hash = TokenHash::of("x");
        let invites = [i64::MAX, 1_700_000_000_000, 1, 0, -1]
            .map(|created_at| written(SpaceInviteKey { space: space.clone(), created_at, hash }));
        assert!(invites.is_sorted());
        let entries =
            [u64::MAX, 2, 1, 0].map(|number| written(SpaceAuditKey { space: space.clone(), number }));
        assert!(entries.is_sorted());
        let open = [-1, 0, 1, i64::MAX]
            .map(|expires_at| written(OpenInviteKey { space: space.clone(), expires_at, hash }));
        assert!(open.is_sorted());
    }
}
