//! One guarded GET: the name is looked up once, its addresses are checked, and one of them is connected to.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

use super::failure::Failure;
use super::guard::{Forbidden, Guard};
use super::network::{Network, Stream};
use super::{Answer, Origin, get};

/// Addresses of a host that are tried, one after the other: its other family, and one that is down.
const ADDRESSES_TRIED: usize = 3;

/// The part of its time that a look-up waits for one address: so many that the others, and the answer, have theirs.
const PARTS: u32 = 4;

/// Who named a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedBy {
    /// Whoever runs this, in the configuration: it may be anywhere.
    Operator,
    /// Anybody.
    Stranger,
}

/// What to get.
pub struct Wish<'a> {
    /// Where it is.
    pub origin: &'a Origin,
    /// Path and query.
    pub path: &'a str,
    /// Who named the host.
    pub named_by: NamedBy,
    /// Bytes of the body, at most.
    pub bytes_max: usize,
    /// Redirects that are followed.
    pub redirects_max: u32,
}

/// Gets things.
pub struct Web {
    /// How names and connections are had.
    pub network: Arc<dyn Network>,
    /// Where it may lead.
    pub guard: Guard,
    /// How long one thing may take, from the name to the last byte.
    pub patience: Duration,
}

impl Web {
    /// The answer of whoever is led to in the end: a success, or a status that says why not.
    pub async fn get(&self, wish: Wish<'_>) -> Result<Answer, Failure> {
        tokio::time::timeout(self.patience, self.follow(wish)).await.unwrap_or(Err(Failure::TimedOut))
    }

    async fn follow(&self, wish: Wish<'_>) -> Result<Answer, Failure> {
        let (mut origin, mut path) = (wish.origin.clone(), wish.path.to_owned());
        for _ in 0..=wish.redirects_max {
            let answer = self.ask(&origin, &path, &wish).await?;
            if !answer.status.is_redirection() || wish.redirects_max == 0 {
                return Ok(answer);
            }
            let location = answer.location.as_deref();
            (origin, path) = location.and_then(|to| origin.redirected(to)).ok_or(Failure::Redirect)?;
        }
        Err(Failure::Redirect)
    }

    async fn ask(&self, origin: &Origin, path: &str, wish: &Wish<'_>) -> Result<Answer, Failure> {
        let stream = self.open(origin, wish.named_by).await?;
        Ok(get(stream, origin, path, wish.bytes_max).await?)
    }

    /// A connection to a host, with TLS where its origin says so, within the time that one thing may take.
    pub async fn open(&self, origin: &Origin, named_by: NamedBy) -> Result<Box<dyn Stream>, Failure> {
        let opened = tokio::time::timeout(self.patience, self.reach(origin, named_by)).await;
        opened.unwrap_or(Err(Failure::TimedOut))
    }

    async fn reach(&self, origin: &Origin, named_by: NamedBy) -> Result<Box<dyn Stream>, Failure> {
        let stream = self.connect(origin, named_by).await?;
        if !origin.is_tls() {
            return Ok(stream);
        }
        let name = ServerName::try_from(origin.host().to_owned()).map_err(|_| Forbidden::NoName)?;
        let stream = TlsConnector::from(self.network.tls()).connect(name, stream).await;
        Ok(Box::new(stream.map_err(|error| Failure::Connection(Arc::new(error)))?))
    }

    async fn connect(&self, origin: &Origin, named_by: NamedBy) -> Result<Box<dyn Stream>, Failure> {
        if named_by == NamedBy::Stranger {
            self.guard.admit(origin)?;
        }
        let mut addresses = match origin.host().parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) => {
                let found = self.network.addresses(origin.host()).await;
                found.map_err(|error| Failure::Name(Arc::new(error)))?
            }
        };
        if named_by == NamedBy::Stranger {
            self.guard.check(&addresses)?;
        }
        // The second is one of the other family: we may have a way to one of them only.
        let is_v4 = addresses.first().is_some_and(IpAddr::is_ipv4);
        if let Some(other) = addresses.iter().position(|address| address.is_ipv4() != is_v4) {
            addresses.swap(1, other);
        }
        let mut refused = Failure::Forbidden(Forbidden::Nowhere);
        for address in addresses.into_iter().take(ADDRESSES_TRIED) {
            let connecting = self.network.connect(SocketAddr::new(address, origin.port()));
            refused = match tokio::time::timeout(self.patience / PARTS, connecting).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => Failure::Connection(Arc::new(error)),
                Err(_) => Failure::TimedOut,
            };
        }
        Err(refused)
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::{IpAddr, Ipv4Addr, SocketAddr};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use rustls::ClientConfig;
    use tokio::io::DuplexStream;

    use super::{Failure, Guard, NamedBy, Network, Stream, Web};
    use crate::net::{Origin, Waiting, system_tls};

    /// A network in which everybody takes a connection and says nothing.
    #[derive(Default)]
    struct Silent(Mutex<Vec<DuplexStream>>);

    impl Network for Silent {
        fn addresses<'a>(&'a self, _: &'a str) -> Waiting<'a, io::Result<Vec<IpAddr>>> {
            Box::pin(async { Ok(vec![Ipv4Addr::new(1, 1, 1, 1).into()]) })
        }

        fn texts<'a>(&'a self, _: &'a str) -> Waiting<'a, io::Result<Vec<String>>> {
            Box::pin(async { Ok(Vec::new()) })
        }

        fn connect(&self, _: SocketAddr) -> Waiting<'_, io::Result<Box<dyn Stream>>> {
            let (ours, theirs) = tokio::io::duplex(1 << 16);
            self.0.lock().unwrap().push(theirs);
            Box::pin(async move { Ok(Box::new(ours) as Box<dyn Stream>) })
        }

        fn tls(&self) -> Arc<ClientConfig> {
            system_tls()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_never_speaks_tls_is_given_up() {
        let (guard, patience) = (Guard { private: false }, Duration::from_secs(10));
        let web = Web { network: Arc::new(Silent::default()), guard, patience };
        let opened = web.open(&Origin::of_name("pds.host.com"), NamedBy::Stranger).await;
        assert!(matches!(opened.err(), Some(Failure::TimedOut)));
    }
}
