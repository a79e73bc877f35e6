//! Where the document of a DID is: in the directory, or at a host of its own. Pure. Spec: PROTOCOL §6.1.

use crate::net::Guard;
use crate::net::Origin;
use crate::syntax::{Did, Handle};

/// Characters of the identifier of a `did:plc`.
const PLC_CHARACTERS: usize = 24;

/// Where a document is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// In the PLC directory.
    Plc,
    /// At this host.
    Web(Origin),
}

impl Method {
    /// `None` for other methods, and for identifiers that the method does not have.
    pub(super) fn of(did: &Did, guard: Guard) -> Option<Self> {
        let rest = did.as_str().strip_prefix("did:")?;
        if let Some(identifier) = rest.strip_prefix("plc:") {
            let is_base32 = |byte: u8| matches!(byte, b'a'..=b'z' | b'2'..=b'7');
            let well_formed = identifier.len() == PLC_CHARACTERS && identifier.bytes().all(is_base32);
            return well_formed.then_some(Method::Plc);
        }
        host(rest.strip_prefix("web:")?, guard).map(Method::Web)
    }
}

/// The host of a `did:web`: a name, and where private networks are allowed a port, or this machine without TLS.
fn host(identifier: &str, guard: Guard) -> Option<Origin> {
    let lower = identifier.to_ascii_lowercase();
    let (name, port) = match lower.split_once("%3a") {
        Some((name, port)) => (name, Some(port)),
        None => (lower.as_str(), None),
    };
    if port.is_some() && !guard.private {
        return None;
    }
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    if name == "localhost" && guard.private {
        return Origin::parse(&format!("http://{name}{port}")).ok();
    }
    let is_name = Handle::is_valid(name) && !guard.is_reserved(name);
    is_name.then(|| Origin::parse(&format!("https://{name}{port}")).ok())?
}

#[cfg(test)]
mod tests {
    use super::Method;
    use crate::net::Guard;
    use crate::net::Origin;
    use crate::syntax::Did;

    #[test]
    fn a_did_leads_to_the_directory_to_a_host_or_nowhere() {
        let plc = Some("plc");
        for (did, strict, open) in [
            ("did:plc:z72i7hdynmk6r22z27h6tvur", plc, plc),
            ("did:plc:z72i7hdynmk6r22z27h6tvu", None, None),
            ("did:plc:z72i7hdynmk6r22z27h6tvu8", None, None),
            ("did:plc:Z72i7hdynmk6r22z27h6tvur", None, None),
            ("did:key:zQ3shqwJEJyMBsBXCWyCBpUBMqxcon9oHB7mCvx4sSpMdLJwc", None, None),
            ("did:web:Host.example.com", Some("https://host.example.com"), Some("https://host.example.com")),
            ("did:web:host.example", None, None),
            ("did:web:host.test", None, Some("https://host.test")),
            ("did:web:host.com%3A8443", None, Some("https://host.com:8443")),
            ("did:web:host.com%3Aport", None, None),
            ("did:web:host.com:user", None, None),
            ("did:web:host.com%2Fuser", None, None),
            ("did:web:localhost", None, Some("http://localhost")),
            ("did:web:localhost%3A24100", None, Some("http://localhost:24100")),
            ("did:web:127.0.0.1", None, None),
            ("did:web:8.8.8.8", None, None),
            ("did:web:host", None, None),
            ("did:web:%3A80", None, None),
        ] {
            let leads = |private| match Method::of(&Did::parse(did).unwrap(), Guard { private }) {
                Some(Method::Plc) => Some("plc".to_owned()),
                Some(Method::Web(origin)) => Some(Origin::to_string(&origin)),
                None => None,
            };
            assert_eq!((leads(false).as_deref(), leads(true).as_deref()), (strict, open), "{did}");
        }
    }
}
