//! A network that never leaves the process: names, texts and hosts as a test says, and a record of what was asked for.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::generate_simple_self_signed;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use crate::net::{Network, Stream, Waiting};

/// What a host does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Answers with these bytes.
    Bytes(Vec<u8>),
    /// Answers with these bytes, one after each pause.
    Drip(Vec<u8>, Duration),
    /// Answers, and never ends.
    Endless,
    /// Says nothing.
    Silence,
    /// Answers with these bytes and is gone, without a word.
    Cut(Vec<u8>),
}

impl Reply {
    pub(crate) fn body(body: impl AsRef<str>) -> Self {
        Self::status(200, "", body)
    }

    /// An answer with further header lines, each ended.
    pub(crate) fn status(status: u16, headers: &str, body: impl AsRef<str>) -> Self {
        let body = body.as_ref();
        let head = format!("HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\n\r\n", body.len());
        Self::Bytes((head + body).into_bytes())
    }

    pub(crate) fn moved(to: &str) -> Self {
        Self::status(302, &format!("location: {to}\r\n"), "")
    }
}

type Host = Arc<dyn Fn(&str) -> Reply + Send + Sync>;

#[derive(Default)]
struct State {
    addresses: HashMap<String, Vec<IpAddr>>,
    texts: HashMap<String, Option<Vec<String>>>,
    hosts: HashMap<SocketAddr, Host>,
    /// Addresses at which nothing answers, not even with a refusal.
    holes: Vec<SocketAddr>,
    asked: Vec<String>,
    connected: Vec<SocketAddr>,
}

/// The network.
#[derive(Clone)]
pub(crate) struct Stub {
    state: Arc<Mutex<State>>,
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

impl Stub {
    /// One whose hosts can show a certificate for these names.
    pub(crate) fn new(names: &[&str]) -> Self {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = generate_simple_self_signed(names).unwrap();
        let certificate = made.cert.der().clone();
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let client = ClientConfig::builder_with_provider(Arc::clone(&provider));
        let client = client.with_safe_default_protocol_versions().unwrap();
        let server = ServerConfig::builder_with_provider(provider);
        let server = server.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        Self {
            state: Arc::default(),
            client: Arc::new(client.with_root_certificates(roots).with_no_client_auth()),
            server: Arc::new(server.with_single_cert(vec![certificate], key).unwrap()),
        }
    }

    /// A name leads to these addresses.
    pub(crate) fn name(&self, name: &str, addresses: &[&str]) {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        self.state.lock().unwrap().addresses.insert(name.to_owned(), addresses);
    }

    /// A handle has these TXT records.
    pub(crate) fn texts(&self, handle: &str, texts: &[&str]) {
        let texts = texts.iter().map(|text| (*text).to_owned()).collect();
        self.state.lock().unwrap().texts.insert(format!("_atproto.{handle}"), Some(texts));
    }

    /// DNS fails for the texts of a handle.
    pub(crate) fn no_dns(&self, handle: &str) {
        self.state.lock().unwrap().texts.insert(format!("_atproto.{handle}"), None);
    }

    /// What is at an address.
    pub(crate) fn host(&self, address: &str, host: impl Fn(&str) -> Reply + Send + Sync + 'static) {
        self.state.lock().unwrap().hosts.insert(address.parse().unwrap(), Arc::new(host));
    }

    /// At an address nobody answers at all.
    pub(crate) fn hole(&self, address: &str) {
        self.state.lock().unwrap().holes.push(address.parse().unwrap());
    }

    /// A name with one address, and at its port of HTTPS a host.
    pub(crate) fn site(
        &self,
        name: &str,
        address: &str,
        host: impl Fn(&str) -> Reply + Send + Sync + 'static,
    ) {
        self.name(name, &[address]);
        self.host(&SocketAddr::new(address.parse().unwrap(), 443).to_string(), host);
    }

    /// The paths that were asked for, in their order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.state.lock().unwrap().asked.clone()
    }

    /// The addresses that were connected to.
    pub(crate) fn connected(&self) -> Vec<SocketAddr> {
        self.state.lock().unwrap().connected.clone()
    }

    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin, host: Host) {
        let mut stream = stream;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
        let head = String::from_utf8(head).unwrap();
        let path = head.split(' ').nth(1).unwrap().to_owned();
        self.state.lock().unwrap().asked.push(path.clone());
        // Whoever asked may be gone.
        let _ = match host(&path) {
            Reply::Bytes(bytes) => stream.write_all(&bytes).await,
            Reply::Drip(bytes, pause) => drip(&mut stream, &bytes, pause).await,
            Reply::Endless => endless(&mut stream).await,
            Reply::Silence => std::future::pending().await,
            Reply::Cut(bytes) => {
                let _ = stream.write_all(&bytes).await;
                let _ = stream.flush().await;
                return;
            }
        };
        let _ = stream.flush().await;
        // Until the other side has read it.
        let _ = stream.read_u8().await;
    }
}

async fn drip(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8], pause: Duration) -> io::Result<()> {
    for byte in bytes {
        tokio::time::sleep(pause).await;
        stream.write_u8(*byte).await?;
        stream.flush().await?;
    }
    Ok(())
}

async fn endless(stream: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 X\r\n\r\n").await?;
    loop {
        stream.write_all(&[b'x'; 1024]).await?;
        tokio::task::yield_now().await;
    }
}

impl Network for Stub {
    fn addresses<'a>(&'a self, name: &'a str) -> Waiting<'a, io::Result<Vec<IpAddr>>> {
        let addresses = self.state.lock().unwrap().addresses.get(name).cloned();
        Box::pin(async { Ok(addresses.unwrap_or_default()) })
    }

    fn texts<'a>(&'a self, name: &'a str) -> Waiting<'a, io::Result<Vec<String>>> {
        let texts = self.state.lock().unwrap().texts.get(name).cloned().unwrap_or(Some(Vec::new()));
        Box::pin(async { texts.ok_or_else(|| io::ErrorKind::TimedOut.into()) })
    }

    fn connect(&self, address: SocketAddr) -> Waiting<'_, io::Result<Box<dyn Stream>>> {
        let (host, is_hole) = {
            let mut state = self.state.lock().unwrap();
            state.connected.push(address);
            (state.hosts.get(&address).cloned(), state.holes.contains(&address))
        };
        let stub = self.clone();
        Box::pin(async move {
            if is_hole {
                std::future::pending::<()>().await;
            }
            let host = host.ok_or(io::ErrorKind::ConnectionRefused)?;
            let (ours, theirs) = tokio::io::duplex(16 * 1024);
            tokio::spawn(async move {
                if address.port() != 443 {
                    stub.serve(theirs, host).await;
                } else if let Ok(stream) = TlsAcceptor::from(Arc::clone(&stub.server)).accept(theirs).await {
                    stub.serve(stream, host).await;
                }
            });
            Ok(Box::new(ours) as Box<dyn Stream>)
        })
    }

    fn tls(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.client)
    }
}
