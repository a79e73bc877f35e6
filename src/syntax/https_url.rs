//! URLs of the web that anybody may be sent to: `https`, a host, and nothing that is there to deceive.
//!
//! Stricter than the lexicon format `uri`, and than what browsers make sense of: no user name or password before the
//! host, no spaces or control characters anywhere. Spec: RFC 3986 §3; RULES §7.

use std::net::Ipv6Addr;

use super::is_uri;

const SCHEME: &str = "https://";

/// Whether `text` is a URL with the scheme `https`, in any case, and a host; all of it visible ASCII.
pub fn is_https_url(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_at_checked(SCHEME.len()) else { return false };
    // A backslash is a slash to browsers: what follows one would be no part of the host.
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    scheme.eq_ignore_ascii_case(SCHEME) && is_uri(text) && is_host_and_port(authority)
}

/// A user name or a password would be before an `@`, which is in no host.
fn is_host_and_port(authority: &str) -> bool {
    if let Some(rest) = authority.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else { return false };
        let is_port = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return address.parse::<Ipv6Addr>().is_ok() && is_port;
    }
    match authority.split_once(':') {
        Some((host, port)) => is_host(host) && is_port(port),
        None => is_host(authority),
    }
}

/// A name, or an address of IPv4. Of names there are more than the domain names of hosts: some have an underscore.
fn is_host(host: &str) -> bool {
    let is_character = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    // The last dot says that a name is complete.
    let labels = host.strip_suffix('.').unwrap_or(host);
    labels.split('.').all(|label| !label.is_empty() && label.bytes().all(is_character))
}

fn is_port(port: &str) -> bool {
    port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::is_https_url;

    #[test]
    fn accepts_whatever_leads_to_a_host_by_https() {
        for text in [
            "https://ti.to/myorg/my-event",
            "https://host.example",
            "HTTPS://Host.Example/",
            "https://host.example:8443/path?q=a:b@c&r=[1]|{2}#a@b",
            "https://host.example?q",
            "https://host.example#f",
            "https://my_event.host.example./",
            "https://localhost",
            "https://192.0.2.1/a",
            "https://[2001:db8::1]/a",
            "https://[::ffff:192.0.2.1]:443",
            "https://xn--bcher-kva.example/%C3%A9",
        ] {
            assert!(is_https_url(text), "{text}");
        }
    }

    #[test]
    fn refuses_other_schemes_no_host_credentials_and_what_cannot_be_seen() {
        for text in [
            "",
            "https",
            "https:",
            "https:/host.example",
            "https://",
            "https:///path",
            "https://?q",
            "https://#f",
            "https:host.example",
            "http://host.example",
            "httpss://host.example",
            "javascript:alert(1)//https://host.example",
            "ftp://host.example",
            "//host.example",
            "host.example",
            "at://did:plc:a/a.b.c/d",
            "https://me@host.example",
            "https://me:secret@host.example/",
            "https://@host.example",
            "https://host.example\\@other.example",
            "https://host.example%40other.example",
            "https://.host.example",
            "https://host..example",
            "https://.",
            "https://host.example:",
            "https://host.example:port",
            "https://host.example:+443",
            "https://host.example:65536",
            "https://host.example:1:2",
            "https://:443",
            "https://[]",
            "https://[::1",
            "https://::1",
            "https://[::1]x",
            "https://[::1]:",
            "https://[host.example]",
            "https://[fe80::1%25eth0]",
            " https://host.example",
            "https://host.example ",
            "https://host.example/a b",
            "https://host.example/\ta",
            "https://host.example/\r\nLocation: x",
            "https://host.example/\0",
            "https://host.example/\u{7f}",
            "https://host.example/\u{202e}",
            "https://host.example/é",
            "https://bücher.example",
            "https:/é",
        ] {
            assert!(!is_https_url(text), "{text:?}");
        }
    }

    #[test]
    fn a_text_that_is_cut_within_a_character_is_refused() {
        for text in ["https:/é", "é", "ééééééé", "https:é/host.example"] {
            assert!(!is_https_url(text), "{text:?}");
        }
    }
}
