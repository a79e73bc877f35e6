//! Keys of the Portal: sessions by time and by person, and the chats of a person. The rest is found by a number, a hash, a person or a space.

use super::spaces::{read_time, write_time};
use super::{END, Key, split_at, write_person};
use crate::syntax::{Did, TokenHash};

/// A session, in the order in which they end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionExpiryKey {
    /// When it ends, in milliseconds since the epoch.
    pub expires_at: i64,
    /// The hash of what the cookie says.
    pub hash: TokenHash,
}

/// A session of a person, in the same order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonSessionKey {
    /// Whose it is.
    pub did: Did,
    /// When it ends, in milliseconds since the epoch.
    pub expires_at: i64,
    /// The hash of what the cookie says.
    pub hash: TokenHash,
}

/// A chat that a person is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonChatKey {
    /// Who.
    pub did: Did,
    /// The number of the chat.
    pub number: u64,
}

/// Appends what the keys of sessions that end at this time begin with.
pub fn write_session_until(expires_at: i64, out: &mut Vec<u8>) {
    write_time(expires_at, out);
}

impl Key for SessionExpiryKey {
    fn write(&self, out: &mut Vec<u8>) {
        write_session_until(self.expires_at, out);
        self.hash.write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (time, hash) = bytes.split_first_chunk()?;
        Some(Self { expires_at: read_time(*time), hash: TokenHash::read(hash)? })
    }
}

impl Key for PersonSessionKey {
    fn write(&self, out: &mut Vec<u8>) {
        write_person(&self.did, out);
        write_time(self.expires_at, out);
        self.hash.write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (did, rest) = split_at(bytes, END)?;
        let (time, hash) = rest.split_first_chunk()?;
        Some(Self { did: Did::read(did)?, expires_at: read_time(*time), hash: TokenHash::read(hash)? })
    }
}

impl Key for PersonChatKey {
    fn write(&self, out: &mut Vec<u8>) {
        write_person(&self.did, out);
        self.number.write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (did, number) = split_at(bytes, END)?;
        Some(Self { did: Did::read(did)?, number: u64::read(number)? })
    }
}

#[cfg(test)]
mod tests {
    use super::{Key, PersonChatKey, PersonSessionKey, SessionExpiryKey};
    use crate::syntax::{Did, TokenHash};

    #[test]
    fn keys_lead_back_to_what_they_are_and_the_first_to_end_comes_first() {
        fn written<K: Key + PartialEq + std::fmt::Debug>(key: K) -> Vec<u8> {
            let mut out = Vec::new();
            key.write(&mut out);
            assert_eq!(K::read(&out), Some(key));
            out
        }
        let (did, hash) = (Did::parse("did:plc:a").unwrap(), TokenHash::of("x"));
        let times = [i64::MIN, -1, 0, 1, 256, i64::MAX];
        assert!(times.map(|expires_at| written(SessionExpiryKey { expires_at, hash })).is_sorted());
        let of_person =
            times.map(|expires_at| written(PersonSessionKey { did: did.clone(), expires_at, hash }));
        assert!(of_person.is_sorted());
        let chats = [0, 1, 255, 256, u64::MAX];
        assert!(chats.map(|number| written(PersonChatKey { did: did.clone(), number })).is_sorted());
    }
}
