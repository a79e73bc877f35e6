//! The network as it is needed here: names, their texts, connections. A trait, so that tests stay in their process.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;

use super::system_tls;

/// Something that is waited for.
pub type Waiting<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An open connection, before TLS.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// What is asked of the network.
pub trait Network: Send + Sync {
    /// The addresses of a name; none where it has none.
    fn addresses<'a>(&'a self, name: &'a str) -> Waiting<'a, io::Result<Vec<IpAddr>>>;

    /// The TXT records of a name, each as one text; none where it has none.
    fn texts<'a>(&'a self, name: &'a str) -> Waiting<'a, io::Result<Vec<String>>>;

    /// A connection to exactly this address.
    fn connect(&self, address: SocketAddr) -> Waiting<'_, io::Result<Box<dyn Stream>>>;

    /// How TLS is spoken, and who is trusted.
    fn tls(&self) -> Arc<ClientConfig>;
}

/// The network of this machine.
#[derive(Default)]
pub struct System {
    /// Name servers that are asked instead of the system's.
    servers: Vec<SocketAddr>,
    /// Made when it is first needed: what needs no names works where names cannot be looked up.
    resolver: OnceCell<TokioResolver>,
}

impl System {
    /// Asks these name servers, or those of the system if there are none.
    pub fn new(servers: Vec<SocketAddr>) -> Self {
        Self { servers, resolver: OnceCell::new() }
    }

    async fn resolver(&self) -> io::Result<&TokioResolver> {
        let made = self.resolver.get_or_try_init(async || {
            let mut builder = if self.servers.is_empty() {
                TokioResolver::builder_tokio()?
            } else {
                let servers = self.servers.iter().map(name_server).collect();
                let config = ResolverConfig::from_name_servers(servers);
                TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            };
            // What was found is remembered here, and forgotten when an account says that it changed.
            builder.options_mut().cache_size = 0;
            builder.build()
        });
        made.await.map_err(io::Error::other)
    }
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let at_port = |mut connection: ConnectionConfig| {
        connection.port = address.port();
        connection
    };
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(at_port);
    NameServerConfig::new(address.ip(), true, connections.into())
}

/// A name as it is, without the domains that the system would try to append; only a name of one label may mean a
/// neighbour.
fn absolute(name: &str) -> String {
    if name.contains('.') && !name.ends_with('.') { format!("{name}.") } else { name.to_owned() }
}

/// What there is, where nothing is an answer too.
fn found<T: Default>(answer: Result<T, NetError>) -> io::Result<T> {
    match answer {
        Err(error) if error.is_no_records_found() => Ok(T::default()),
        answer => answer.map_err(io::Error::other),
    }
}

impl Network for System {
    fn addresses<'a>(&'a self, name: &'a str) -> Waiting<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let answer = self.resolver().await?.lookup_ip(absolute(name)).await;
            found(answer.map(|addresses| addresses.iter().collect()))
        })
    }

    fn texts<'a>(&'a self, name: &'a str) -> Waiting<'a, io::Result<Vec<String>>> {
        Box::pin(async move {
            let answer = self.resolver().await?.txt_lookup(absolute(name)).await;
            let texts = answer.map(|lookup| {
                let joined = lookup.answers().iter().filter_map(|record| match &record.data {
                    RData::TXT(text) => Some(text.txt_data.concat()),
                    _ => None,
                });
                joined.filter_map(|text| String::from_utf8(text).ok()).collect()
            });
            found(texts)
        })
    }

    fn connect(&self, address: SocketAddr) -> Waiting<'_, io::Result<Box<dyn Stream>>> {
        Box::pin(async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }

    fn tls(&self) -> Arc<ClientConfig> {
        system_tls()
    }
}
