//! Where a host that anybody may name can lead us: to public addresses, through TLS, at the usual port.
//!
//! A DID or a handle is a stranger's word, and so is every redirect: without this our own network could be asked
//! through us. Names are checked by the addresses that they lead to, all of them, and the connection goes to one of
//! the addresses that were checked. Spec: PROTOCOL §14.

use std::net::IpAddr;

use super::{Origin, is_public};
use crate::syntax::Handle;

/// The names that never lead to anything (PROTOCOL §6.2); `.test` does in a network of one's own.
const RESERVED: [&str; 8] = ["alt", "arpa", "example", "internal", "invalid", "local", "localhost", "onion"];
const RESERVED_OUTSIDE_TESTS: &str = "test";

/// A place where we do not go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// One of its addresses is not public.
    #[error("the name leads into a private network")]
    Private,
    /// It is an address, or a name that no host in public has.
    #[error("an address, or a name that is not public")]
    NoName,
    /// It has a port of its own.
    #[error("another port than that of HTTPS")]
    Port,
    /// It is not reached through TLS.
    #[error("not through TLS")]
    Plain,
    /// The name has no address.
    #[error("the name has no address")]
    Nowhere,
}

/// What is allowed.
#[derive(Clone, Copy, Debug)]
pub struct Guard {
    /// Private networks too, for tests.
    pub private: bool,
}

impl Guard {
    /// Whether a host may be asked at all, before its name is looked up.
    pub fn admit(self, origin: &Origin) -> Result<(), Forbidden> {
        if self.private {
            // Without TLS only within this machine.
            return if origin.is_tls() || origin.host() == "localhost" {
                Ok(())
            } else {
                Err(Forbidden::Plain)
            };
        }
        if !origin.is_tls() {
            Err(Forbidden::Plain)
        } else if origin.port() != 443 {
            Err(Forbidden::Port)
        } else if !Handle::is_valid(origin.host()) || self.is_reserved(origin.host()) {
            // Not an address in any spelling, and not a neighbour: several labels, the last of which has a letter first.
            Err(Forbidden::NoName)
        } else {
            Ok(())
        }
    }

    /// Whether a name may be followed to its addresses. One private address among public ones forbids them all: who
    /// mixes them has nothing good in mind, and which of them is tried first is not ours to choose.
    pub fn check(self, addresses: &[IpAddr]) -> Result<(), Forbidden> {
        if addresses.is_empty() {
            return Err(Forbidden::Nowhere);
        }
        let allowed = self.private || addresses.iter().all(|address| is_public(*address));
        if allowed { Ok(()) } else { Err(Forbidden::Private) }
    }

    /// Whether a name ends in one that leads nowhere by definition.
    pub fn is_reserved(self, name: &str) -> bool {
        let top = name.rsplit('.').next().unwrap_or_default();
        let is = |reserved: &str| top.eq_ignore_ascii_case(reserved);
        RESERVED.into_iter().any(is) || !self.private && is(RESERVED_OUTSIDE_TESTS)
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::{Forbidden, Guard};
    use crate::net::Origin;

    const STRICT: Guard = Guard { private: false };
    const OPEN: Guard = Guard { private: true };

    fn addresses(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn one_private_address_forbids_the_others() {
        assert_eq!(STRICT.check(&addresses(&["1.1.1.1", "2606:4700::1"])), Ok(()));
        assert_eq!(STRICT.check(&addresses(&["1.1.1.1", "10.0.0.1"])), Err(Forbidden::Private));
        assert_eq!(STRICT.check(&[]), Err(Forbidden::Nowhere));
        assert_eq!(OPEN.check(&addresses(&["1.1.1.1", "10.0.0.1"])), Ok(()));
        assert_eq!(OPEN.check(&[]), Err(Forbidden::Nowhere));
    }

    #[test]
    fn a_host_is_a_name_behind_tls_at_the_usual_port() {
        for (url, strict, open) in [
            ("https://host.com", Ok(()), Ok(())),
            ("https://host.com:8443", Err(Forbidden::Port), Ok(())),
            ("http://host.com:443", Err(Forbidden::Plain), Err(Forbidden::Plain)),
            ("http://localhost:24100", Err(Forbidden::Plain), Ok(())),
            ("http://127.0.0.1", Err(Forbidden::Plain), Err(Forbidden::Plain)),
            ("https://127.0.0.1", Err(Forbidden::NoName), Ok(())),
            ("https://8.8.8.8", Err(Forbidden::NoName), Ok(())),
            ("https://[::1]", Err(Forbidden::NoName), Ok(())),
            ("https://0x7f000001", Err(Forbidden::NoName), Ok(())),
            ("https://2130706433", Err(Forbidden::NoName), Ok(())),
            ("https://127.1.", Err(Forbidden::NoName), Ok(())),
            ("https://localhost.", Err(Forbidden::NoName), Ok(())),
            ("https://intranet", Err(Forbidden::NoName), Ok(())),
            ("https://metadata.internal", Err(Forbidden::NoName), Ok(())),
        ] {
            let origin = Origin::parse(url).unwrap();
            assert_eq!((STRICT.admit(&origin), OPEN.admit(&origin)), (strict, open), "{url}");
        }
    }

    #[test]
    fn reserved_names_lead_nowhere() {
        for name in [
            "a.alt",
            "a.arpa",
            "a.example",
            "a.internal",
            "a.invalid",
            "a.local",
            "localhost",
            "a.onion",
            "A.LOCAL",
        ] {
            assert!(STRICT.is_reserved(name) && OPEN.is_reserved(name), "{name}");
        }
        assert!(STRICT.is_reserved("a.test") && !OPEN.is_reserved("a.test"));
        assert!(!STRICT.is_reserved("local.host.com") && !STRICT.is_reserved("a.examples"));
    }
}
