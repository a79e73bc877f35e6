//! One large thing from a host, over HTTP, as it comes.

use std::io::Write;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::{Response, StatusCode, header, http};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::exchange::exchange;
use super::{Origin, retry_after};

/// Bytes of an answer that is an error, which are kept: it has a name and a sentence.
const REFUSAL_BYTES_MAX: usize = 8_000;

/// How much of it there may be, and how slowly it may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Bytes at most.
    pub bytes_max: u64,
    /// Bytes a second, on average, once the grace is over.
    pub rate_min: u64,
    /// How long it may take whatever comes.
    pub grace: Duration,
    /// How long nothing may come.
    pub silence: Duration,
    /// How long all of it may take. A host that sends just fast enough keeps others waiting.
    pub time_max: Duration,
}

/// It could not be had.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// It was no HTTP, or ended too early.
    #[error("no answer, or not all of it: {0}")]
    Http(#[from] hyper::Error),
    /// The path is none that a request can have.
    #[error("the path cannot be asked for")]
    Path(#[from] http::Error),
    /// It is larger than it may be.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(u64),
    /// Nothing came for too long, or too little.
    #[error("the answer comes too slowly")]
    TooSlow,
    /// It cannot be kept.
    #[error("the answer cannot be kept: {0}")]
    Write(#[from] std::io::Error),
}

/// What the host answered.
#[derive(Clone, Debug)]
pub struct Downloaded {
    /// The status.
    pub status: StatusCode,
    /// Where it says that the thing is.
    pub location: Option<String>,
    /// When it wants to be asked again.
    pub retry_after: Option<Duration>,
    /// The beginning of the body of anything but a success.
    pub refusal: Vec<u8>,
}

/// `GET path` over a connection to `origin`; the body of a success goes to `into`. Follows no redirect.
///
/// # Errors
/// It was no HTTP, too much, or too slow; or it could not be written.
pub async fn download(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    origin: &Origin,
    path: &str,
    pace: Pace,
    into: &mut (impl Write + Send),
) -> Result<Downloaded, DownloadError> {
    exchange(stream, origin, path, async |answering| {
        let response = tokio::time::timeout(pace.grace, answering).await;
        receive(response.map_err(|_| DownloadError::TooSlow)??, pace, into).await
    })
    .await
}

async fn receive(
    response: Response<Incoming>,
    pace: Pace,
    into: &mut (impl Write + Send),
) -> Result<Downloaded, DownloadError> {
    let location = response.headers().get(header::LOCATION).and_then(|to| to.to_str().ok());
    let mut downloaded = Downloaded {
        status: response.status(),
        location: location.map(str::to_owned),
        retry_after: retry_after(response.headers()),
        refusal: Vec::new(),
    };
    let succeeded = downloaded.status.is_success();
    let mut body = response.into_body();
    if succeeded && body.size_hint().lower() > pace.bytes_max {
        return Err(DownloadError::TooLarge(pace.bytes_max));
    }
    let (begun, mut received) = (Instant::now(), 0_u64);
    loop {
        let frame = tokio::time::timeout(pace.silence, body.frame()).await;
        let Some(frame) = frame.map_err(|_| DownloadError::TooSlow)? else { return Ok(downloaded) };
        let Ok(data) = frame?.into_data() else { continue };
        received += u64::try_from(data.len()).unwrap_or(u64::MAX);
        if !succeeded {
            downloaded.refusal.extend_from_slice(&data);
            // Its status has said what matters.
            if downloaded.refusal.len() > REFUSAL_BYTES_MAX || begun.elapsed() > pace.grace {
                downloaded.refusal.truncate(REFUSAL_BYTES_MAX);
                return Ok(downloaded);
            }
            continue;
        }
        if received > pace.bytes_max {
            return Err(DownloadError::TooLarge(pace.bytes_max));
        }
        let due = begun.elapsed().saturating_sub(pace.grace).as_secs().saturating_mul(pace.rate_min);
        if received < due || begun.elapsed() > pace.time_max {
            return Err(DownloadError::TooSlow);
        }
        into.write_all(&data)?;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::{DownloadError, Downloaded, Pace, download};
    use crate::net::Origin;

    const PACE: Pace = Pace {
        bytes_max: 100_000,
        rate_min: 1_000,
        grace: Duration::from_secs(30),
        silence: Duration::from_secs(10),
        time_max: Duration::from_secs(80),
    };

    /// What comes of a host that answers with this, piece by piece with a pause after each.
    async fn answered(
        pieces: Vec<Vec<u8>>,
        pause: Duration,
        pace: Pace,
    ) -> (Result<Downloaded, DownloadError>, Vec<u8>) {
        let (ours, mut theirs) = tokio::io::duplex(1 << 16);
        tokio::spawn(async move {
            let mut request = [0; 1000];
            let _ = theirs.read(&mut request).await;
            for piece in pieces {
                if theirs.write_all(&piece).await.is_err() {
                    return;
                }
                tokio::time::sleep(pause).await;
            }
        });
        let mut into = Vec::new();
        let origin = Origin::of_name("pds.example");
        let result = download(ours, &origin, "/x", pace, &mut into).await;
        (result, into)
    }

    fn head(status: &str, length: usize) -> Vec<u8> {
        format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nretry-after: 7\r\n\r\n").into_bytes()
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_is_written_as_it_comes() {
        let pieces = vec![head("200 OK", 6), b"abc".to_vec(), b"def".to_vec()];
        let (result, into) = answered(pieces, Duration::from_secs(1), PACE).await;
        assert!(result.unwrap().status.is_success());
        assert_eq!(into, b"abcdef");
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_is_told_with_the_beginning_of_what_it_says_and_nothing_is_written() {
        let body = vec![b'x'; 20_000];
        let (result, into) = answered(vec![head("429 No", body.len()), body], Duration::ZERO, PACE).await;
        let downloaded = result.unwrap();
        assert_eq!((downloaded.status.as_u16(), downloaded.refusal.len()), (429, super::REFUSAL_BYTES_MAX));
        assert_eq!(downloaded.retry_after, Some(Duration::from_secs(7)));
        assert!(into.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_ends_too_early_or_is_too_large_is_an_error() {
        let (cut, _) = answered(vec![head("200 OK", 10), b"abc".to_vec()], Duration::ZERO, PACE).await;
        assert!(matches!(cut, Err(DownloadError::Http(_))), "{cut:?}");
        let endless = vec![b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![0; 60_000], vec![0; 60_000]];
        let (large, into) = answered(endless, Duration::ZERO, PACE).await;
        assert!(matches!(large, Err(DownloadError::TooLarge(100_000))), "{large:?}");
        assert!(into.len() <= 100_000);
    }

    #[tokio::test(start_paused = true)]
    async fn what_says_that_it_is_too_large_is_not_read() {
        let (large, into) = answered(vec![head("200 OK", 100_001)], Duration::ZERO, PACE).await;
        assert!(matches!(large, Err(DownloadError::TooLarge(100_000))), "{large:?}");
        assert!(into.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_never_answers_is_given_up() {
        let begun = tokio::time::Instant::now();
        let (silent, _) = answered(vec![Vec::new()], Duration::from_secs(3600), PACE).await;
        assert!(matches!(silent, Err(DownloadError::TooSlow)), "{silent:?}");
        assert_eq!(begun.elapsed(), PACE.grace);
    }

    #[tokio::test(start_paused = true)]
    async fn of_an_error_that_drips_the_status_is_enough() {
        let mut drip = vec![head("503 No", 8_000)];
        drip.extend((0..8_000).map(|_| vec![b'x']));
        let begun = tokio::time::Instant::now();
        let (result, _) = answered(drip, Duration::from_secs(1), PACE).await;
        assert_eq!(result.unwrap().status.as_u16(), 503);
        assert!(begun.elapsed() < Duration::from_secs(35));
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_just_fast_enough_is_given_up_in_the_end() {
        let mut slow = vec![head("200 OK", 100_000)];
        slow.extend((0..100).map(|_| vec![0; 1_000]));
        let begun = tokio::time::Instant::now();
        let (result, into) = answered(slow, Duration::from_secs(1), PACE).await;
        assert!(matches!(result, Err(DownloadError::TooSlow)), "{result:?}");
        assert!(begun.elapsed() < Duration::from_secs(85) && into.len() > 75_000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_drip_and_a_silence_are_given_up() {
        let mut drip = vec![head("200 OK", 90_000)];
        drip.extend((0..90_000).map(|_| vec![0]));
        let begun = tokio::time::Instant::now();
        let (slow, into) = answered(drip, Duration::from_secs(1), PACE).await;
        assert!(matches!(slow, Err(DownloadError::TooSlow)), "{slow:?}");
        assert!(begun.elapsed() < Duration::from_secs(35) && into.len() < 40);
        let silent = vec![head("200 OK", 90_000), vec![0; 80_000]];
        let (silence, _) = answered(silent, Duration::from_secs(100), PACE).await;
        assert!(matches!(silence, Err(DownloadError::TooSlow)), "{silence:?}");
    }
}
