//! A host that streams: a real WebSocket server on loopback that plays what it is told.
//!
//! For each connection a script is asked what to do, given the number of the connection and what was asked
//! for. It keeps a record of every request, so that tests can say what a client asked and when.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};

/// Frames with their numbers, to which more may come.
pub(crate) type Frames = Arc<Mutex<Vec<(u64, Vec<u8>)>>>;

/// One thing that a host does on a connection.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Answers the upgrade with a status, headers and a body, and is done.
    Answer(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// Sends a binary message.
    Binary(Vec<u8>),
    /// Sends a text message.
    Text(String),
    /// Sends bytes that are no WebSocket frame.
    Garbage(Vec<u8>),
    /// Sends nothing for so long.
    Pause(Duration),
    /// Counts, when everything before it was taken by the kernel at least.
    Count(Arc<AtomicUsize>),
    /// Closes the stream with a code.
    Close(u16),
    /// Drops the connection in the middle.
    Cut,
    /// Takes the request and never answers it.
    Mute,
    /// Keeps the connection and neither reads nor writes.
    Freeze,
    /// Sends the frames after a position, and those that come in later, until the client goes.
    Tail(Frames, u64),
    /// Keeps the connection and answers pings until the client goes.
    Stay,
}

/// What a client asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Which request it was, from 0.
    pub(crate) number: usize,
    /// Path and query.
    pub(crate) path: String,
}

impl Asked {
    /// A parameter of the query.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        let (_, query) = self.path.split_once('?')?;
        query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }

    /// The cursor.
    pub(crate) fn cursor(&self) -> Option<u64> {
        self.parameter("cursor").map(|cursor| cursor.parse().unwrap())
    }
}

/// A running host; gone when dropped.
pub(crate) struct Host {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    pings: Arc<Mutex<usize>>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

type Script = dyn Fn(&Asked) -> Vec<Act> + Send + Sync;

impl Host {
    /// A host that does on each connection what `script` says.
    pub(crate) fn start(script: impl Fn(&Asked) -> Vec<Act> + Send + Sync + 'static) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (asked, pings) = (Arc::default(), Arc::default());
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let script: Arc<Script> = Arc::new(script);
        runtime.spawn(accept(listener, script, Arc::clone(&asked), Arc::clone(&pings)));
        Self { address, asked, pings, runtime: Some(runtime) }
    }

    /// A host that behaves like a PDS with these frames: the ones after the cursor, and then nothing.
    pub(crate) fn of(frames: Vec<(u64, Vec<u8>)>) -> Self {
        Self::start(move |asked| {
            let after = asked.cursor().unwrap_or(u64::MAX);
            let mut acts = after_cursor(&frames, after);
            acts.push(Act::Stay);
            acts
        })
    }

    /// Its address as a source has it.
    pub(crate) fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Everything that was asked for so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Pings that came.
    pub(crate) fn pings(&self) -> usize {
        *self.pings.lock().unwrap()
    }
}

/// The frames that a host with these sends to somebody with this cursor.
pub(crate) fn after_cursor(frames: &[(u64, Vec<u8>)], cursor: u64) -> Vec<Act> {
    frames.iter().filter(|(seq, _)| *seq > cursor).map(|(_, frame)| Act::Binary(frame.clone())).collect()
}

async fn accept(
    listener: TcpListener,
    script: Arc<Script>,
    asked: Arc<Mutex<Vec<Asked>>>,
    pings: Arc<Mutex<usize>>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        let (script, asked, pings) = (Arc::clone(&script), Arc::clone(&asked), Arc::clone(&pings));
        // A client that goes away in the middle is none of the host's business.
        tokio::spawn(async move { serve(stream, &*script, &asked, &pings).await });
    }
}

async fn serve(
    mut stream: TcpStream,
    script: &Script,
    asked: &Mutex<Vec<Asked>>,
    pings: &Mutex<usize>,
) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let head = read_head(&mut stream).await?;
    let path = head.split(' ').nth(1)?.to_owned();
    let request = {
        let mut asked = asked.lock().unwrap();
        let request = Asked { number: asked.len(), path };
        asked.push(request.clone());
        request
    };
    let mut acts = script(&request);
    if let Some(Act::Answer(status, headers, body)) = acts.first() {
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status} Said\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.ok()?;
        stream.write_all(body).await.ok()?;
        return stream.shutdown().await.ok();
    }
    if let Some(Act::Mute) = acts.first() {
        return freeze().await;
    }
    upgrade(&mut stream, &head).await?;
    let config = WebSocketConfig::default().max_write_buffer_size(64 << 20);
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
    for act in acts.drain(..) {
        perform(&mut socket, act, pings).await?;
    }
    Some(())
}

/// The head of a request, and no byte after it.
async fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

async fn upgrade(stream: &mut TcpStream, head: &str) -> Option<()> {
    let key = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("sec-websocket-key").then(|| value.trim().to_owned())
    })?;
    let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes());
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.ok()
}

async fn perform(socket: &mut WebSocketStream<TcpStream>, act: Act, pings: &Mutex<usize>) -> Option<()> {
    match act {
        Act::Answer(..) | Act::Mute => panic!("an answer, or none, comes first"),
        Act::Binary(bytes) => socket.send(Message::binary(bytes)).await.ok(),
        Act::Text(text) => socket.send(Message::text(text)).await.ok(),
        Act::Garbage(bytes) => socket.get_mut().write_all(&bytes).await.ok(),
        Act::Pause(time) => {
            tokio::time::sleep(time).await;
            Some(())
        }
        Act::Count(sent) => {
            sent.fetch_add(1, Ordering::AcqRel);
            Some(())
        }
        Act::Close(code) => {
            let frame = CloseFrame { code: code.into(), reason: "".into() };
            socket.close(Some(frame)).await.ok()?;
            stay(socket, pings).await;
            None
        }
        Act::Cut => None,
        Act::Freeze => freeze().await,
        Act::Tail(frames, after) => tail(socket, pings, &frames, after).await,
        Act::Stay => {
            stay(socket, pings).await;
            None
        }
    }
}

/// Does nothing for as long as the test lives.
async fn freeze() -> Option<()> {
    tokio::time::sleep(Duration::from_secs(3600)).await;
    None
}

async fn tail(
    socket: &mut WebSocketStream<TcpStream>,
    pings: &Mutex<usize>,
    frames: &Mutex<Vec<(u64, Vec<u8>)>>,
    mut after: u64,
) -> Option<()> {
    loop {
        let new: Vec<_> = frames.lock().unwrap().iter().filter(|(seq, _)| *seq > after).cloned().collect();
        for (seq, frame) in new {
            socket.send(Message::binary(frame)).await.ok()?;
            after = seq;
        }
        // Until it is time to look again.
        let reading = stay(socket, pings);
        if tokio::time::timeout(Duration::from_millis(5), reading).await.is_ok() {
            return None;
        }
    }
}

/// Reads, which answers pings, until the client goes.
async fn stay(socket: &mut WebSocketStream<TcpStream>, pings: &Mutex<usize>) {
    while let Some(Ok(message)) = socket.next().await {
        if message.is_ping() {
            *pings.lock().unwrap() += 1;
        }
    }
}
