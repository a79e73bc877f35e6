//! How an account stands at its host: `getRepoStatus`.

use std::time::Duration;

use serde::Deserialize;

use super::fetch::{FetchError, Fetcher, judge};
use crate::codec::answer::Standing;
use crate::codec::event;
use crate::net::{DownloadError, NamedBy, Origin, Pace, download};
use crate::syntax::{Did, Tid};

/// An answer has a DID, a word and a revision.
const PACE: Pace = Pace {
    bytes_max: 10_000,
    rate_min: 0,
    grace: Duration::from_secs(20),
    silence: Duration::from_secs(20),
    time_max: Duration::from_secs(20),
};

#[derive(Deserialize)]
struct Wire {
    did: String,
    active: bool,
    status: Option<String>,
    rev: Option<String>,
}

impl Fetcher {
    /// How an account stands at its host.
    pub(super) async fn standing(&self, did: &Did, host: &Origin) -> Result<Standing, FetchError> {
        let path = format!("/xrpc/com.atproto.sync.getRepoStatus?did={}", in_query(did));
        let mut body = Vec::new();
        let asked = async {
            let stream = self.web.open(host, NamedBy::Stranger).await?;
            download(stream, host, &path, PACE, &mut body).await.map_err(FetchError::of_download)
        };
        let downloaded = tokio::select! {
            downloaded = tokio::time::timeout(PACE.grace * 2, asked) => {
                downloaded.map_err(|_| FetchError::of_download(DownloadError::TooSlow))??
            }
            () = self.stop.cancelled() => return Err(FetchError::Stopped),
        };
        judge(&downloaded)?;
        read(&body, did).ok_or(FetchError::Unreadable)
    }
}

/// A DID as it stands in a query. Nothing else in one means anything there.
pub(super) fn in_query(did: &Did) -> String {
    did.as_str().replace('%', "%25")
}

fn read(body: &[u8], did: &Did) -> Option<Standing> {
    let wire: Wire = serde_json::from_slice(body).ok().filter(|wire: &Wire| wire.did == did.as_str())?;
    let rev = wire.rev.and_then(|rev| Tid::parse(&rev).ok());
    Some(Standing { active: wire.active, status: event::kept_status(wire.status.as_deref()), rev })
}

#[cfg(test)]
mod tests {
    use super::read;
    use crate::syntax::Did;

    #[test]
    fn what_a_host_says_of_somebody_else_or_says_badly_is_nothing() {
        let did = Did::parse("did:plc:a").unwrap();
        let read = |body: &str| read(body.as_bytes(), &did);
        let active = read(r#"{"did":"did:plc:a","active":true,"rev":"3l3qo2vutsw2b"}"#).unwrap();
        assert!(active.active && active.rev.is_some());
        let gone = read(r#"{"did":"did:plc:a","active":false,"status":"takendown","rev":""}"#).unwrap();
        assert_eq!((gone.active, gone.status.as_deref(), gone.rev), (false, Some("takendown"), None));
        for bad in [r#"{"did":"did:plc:b","active":true}"#, r#"{"did":"did:plc:a"}"#, "[]", "<html>", ""] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
