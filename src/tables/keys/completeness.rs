//! Keys of the ledger.

use super::Key;
use crate::syntax::Did;

/// An account that its host is to be asked about, in the order of time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DueKey {
    /// Not before this, in microseconds since the epoch; 0 for at once. Never negative.
    pub next: i64,
    /// Whose.
    pub did: Did,
}

impl Key for DueKey {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.next.to_be_bytes());
        self.did.write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (next, did) = bytes.split_first_chunk::<8>()?;
        let next = i64::from_be_bytes(*next);
        Some(Self { next, did: Did::read(did)? }).filter(|key| key.next >= 0)
    }
}

#[cfg(test)]
mod tests {
    use super::{DueKey, Key};
    use crate::syntax::Did;

    #[test]
    fn what_is_due_first_sorts_first() {
        let key = |next, did: &str| {
            let mut out = Vec::new();
            let key = DueKey { next, did: Did::parse(did).unwrap() };
            key.write(&mut out);
            assert_eq!(DueKey::read(&out), Some(key));
            out
        };
        let keys =
            [key(0, "did:plc:b"), key(1, "did:plc:a"), key(256, "did:plc:a"), key(i64::MAX, "did:web:x")];
        assert!(keys.is_sorted());
        assert_eq!(DueKey::read(&[0xff; 20]), None);
    }
}
