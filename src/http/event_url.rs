//! Where people see an event: a URL made from the template that the operator wrote.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::syntax::{Did, RecordKey};

/// A template of the URLs of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventUrl {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// How others reach this server.
    PublicUrl,
    /// The organizer: by the handle when it is known to hold both ways, else by the DID.
    Authority,
    /// The organizer's DID.
    Did,
    /// The event's record key.
    Rkey,
}

/// A text is no such template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadEventUrl {
    /// A placeholder that there is not.
    #[error("{{{name}}} is no placeholder: there are {{public_url}}, {{authority}}, {{did}} and {{rkey}}")]
    Placeholder {
        /// What was written.
        name: String,
    },
    /// A brace alone.
    #[error("a brace in it belongs to no placeholder")]
    Brace,
    /// It does not begin as a URL does, or `{public_url}` stands elsewhere.
    #[error("it must begin with {{public_url}}, https:// or http://, with a host and a slash after that")]
    Beginning,
    /// Two events would have the same URL.
    #[error(
        "it must have {{rkey}} and one of {{authority}} and {{did}}, with a slash or the like between them, so that every event has a URL of its own"
    )]
    Shared,
    /// A character that no URL has.
    #[error("{0:?} is not in any URL")]
    Character(char),
}

impl EventUrl {
    /// The URL of an event. A handle is one that holds both ways.
    pub(super) fn of(&self, public_url: &str, did: &Did, handle: Option<&str>, rkey: &RecordKey) -> String {
        let mut url = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => url.push_str(text),
                Part::PublicUrl => url.push_str(public_url.trim_end_matches('/')),
                Part::Authority => encode(handle.unwrap_or(did.as_str()), &mut url),
                Part::Did => encode(did.as_str(), &mut url),
                Part::Rkey => encode(rkey.as_str(), &mut url),
            }
        }
        url
    }

    /// The template as it was written.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }
}

impl Default for EventUrl {
    fn default() -> Self {
        "{public_url}/{authority}/{rkey}".parse().expect("a template")
    }
}

/// What stands in every part of a URL stays; of what is in DIDs, handles and record keys that leaves the percent sign,
/// which begins a sequence of its own in a `did:web`.
pub(super) fn encode(text: &str, url: &mut String) {
    for byte in text.bytes() {
        if stays(byte) {
            url.push(char::from(byte));
        } else {
            write!(url, "%{byte:02X}").expect("a text takes everything");
        }
    }
}

fn stays(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte)
}

impl FromStr for EventUrl {
    type Err = BadEventUrl;

    fn from_str(text: &str) -> Result<Self, BadEventUrl> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, after) = rest.split_at(at);
            let (name, after) =
                after.strip_prefix('{').and_then(|after| after.split_once('}')).ok_or(BadEventUrl::Brace)?;
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(placeholder(name)?);
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        check(&parts)?;
        Ok(Self { text: text.to_owned(), parts })
    }
}

fn placeholder(name: &str) -> Result<Part, BadEventUrl> {
    match name {
        "public_url" => Ok(Part::PublicUrl),
        "authority" => Ok(Part::Authority),
        "did" => Ok(Part::Did),
        "rkey" => Ok(Part::Rkey),
        name if name.contains('{') => Err(BadEventUrl::Brace),
        name => Err(BadEventUrl::Placeholder { name: name.to_owned() }),
    }
}

/// Whether parts make a URL, and another one for every event.
fn check(parts: &[Part]) -> Result<(), BadEventUrl> {
    for part in parts {
        let Part::Text(text) = part else { continue };
        let is_odd = |character: &char| !character.is_ascii_graphic() || "\"<>\\^`|".contains(*character);
        if let Some(odd) = text.chars().find(is_odd) {
            return Err(BadEventUrl::Character(odd));
        }
    }
    let begins = match parts {
        [Part::PublicUrl, Part::Text(text), ..] => text.starts_with(['/', '?', '#']),
        [Part::Text(text), ..] => {
            let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
            host.and_then(|host| host.find(['/', '?', '#'])).is_some_and(|at| at > 0)
        }
        _ => false,
    };
    if !begins || parts.iter().skip(1).any(|part| *part == Part::PublicUrl) {
        return Err(BadEventUrl::Beginning);
    }
    let has = |part| parts.contains(&part);
    let is_own = has(Part::Rkey) && (has(Part::Authority) || has(Part::Did)) && !run_together(parts);
    if is_own { Ok(()) } else { Err(BadEventUrl::Shared) }
}

/// Whether two placeholders have nothing between them that is in neither: what is the end of one here may be the beginning
/// of the other elsewhere.
fn run_together(parts: &[Part]) -> bool {
    let mut goes_on = false;
    for part in parts {
        match part {
            Part::PublicUrl => {}
            Part::Text(text) => goes_on &= text.bytes().all(|byte| stays(byte) || byte == b'%'),
            Part::Authority | Part::Did | Part::Rkey if goes_on => return true,
            Part::Authority | Part::Did | Part::Rkey => goes_on = true,
        }
    }
    false
}

impl fmt::Display for EventUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for EventUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for EventUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|error| D::Error::custom(format!("{text:?} is no template of a URL: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::{BadEventUrl, EventUrl};
    use crate::syntax::{Did, RecordKey};

    const HERE: &str = "https://guestlist.example";

    fn url(template: &str, did: &str, handle: Option<&str>, rkey: &str) -> String {
        let (did, rkey) = (Did::parse(did).unwrap(), RecordKey::parse(rkey).unwrap());
        template.parse::<EventUrl>().unwrap().of(HERE, &did, handle, &rkey)
    }

    #[test]
    fn placeholders_are_filled_and_what_a_url_needs_is_encoded() {
        let default = EventUrl::default();
        assert_eq!(default.as_str(), "{public_url}/{authority}/{rkey}");
        for (template, did, handle, rkey, expected) in [
            (default.as_str(), "did:plc:ada", None, "e", "https://guestlist.example/did:plc:ada/e"),
            (
                default.as_str(),
                "did:plc:ada",
                Some("ada.example"),
                "e",
                "https://guestlist.example/ada.example/e",
            ),
            // A percent sign of a DID is one, and not the beginning of a colon.
            (
                default.as_str(),
                "did:web:host.example%3A80",
                None,
                "self",
                "https://guestlist.example/did:web:host.example%253A80/self",
            ),
            (
                "{public_url}/{did}/{rkey}",
                "did:plc:ada",
                Some("ada.example"),
                "a.b_c~d:e-f",
                "https://guestlist.example/did:plc:ada/a.b_c~d:e-f",
            ),
            (
                "https://events.example/{authority}/{rkey}",
                "did:plc:ada",
                None,
                "e",
                "https://events.example/did:plc:ada/e",
            ),
            (
                "http://e.example/?of={did}&key={rkey}#top",
                "did:plc:ada",
                None,
                "e",
                "http://e.example/?of=did:plc:ada&key=e#top",
            ),
            (
                "{public_url}/{rkey}.html?by={authority}.",
                "did:plc:ada",
                None,
                "e",
                "https://guestlist.example/e.html?by=did:plc:ada.",
            ),
        ] {
            assert_eq!(url(template, did, handle, rkey), expected, "{template}");
        }
        let (did, rkey) = (Did::parse("did:plc:ada").unwrap(), RecordKey::parse("e").unwrap());
        assert_eq!(
            default.of("https://here.example/", &did, None, &rkey),
            "https://here.example/did:plc:ada/e"
        );
    }

    #[test]
    fn what_cannot_be_the_url_of_every_event_is_refused_and_says_why() {
        for (template, error) in [
            ("{public_url}/{handle}/{rkey}", BadEventUrl::Placeholder { name: "handle".to_owned() }),
            ("{public_url}/{}/{rkey}", BadEventUrl::Placeholder { name: String::new() }),
            ("{public_url}/{did}/{rkey", BadEventUrl::Brace),
            ("{public_url}/did}/{rkey}", BadEventUrl::Brace),
            ("{public_url}/{{did}}/{rkey}", BadEventUrl::Brace),
            ("{public_url}{did}/{rkey}", BadEventUrl::Beginning),
            ("{public_url}.example/{did}/{rkey}", BadEventUrl::Beginning),
            ("/{did}/{rkey}", BadEventUrl::Beginning),
            ("https://{authority}/{rkey}", BadEventUrl::Beginning),
            ("https:///{authority}/{rkey}", BadEventUrl::Beginning),
            ("ftp://e.example/{authority}/{rkey}", BadEventUrl::Beginning),
            ("javascript:alert({did},{rkey})", BadEventUrl::Beginning),
            ("https://e.example/{public_url}/{did}/{rkey}", BadEventUrl::Beginning),
            ("", BadEventUrl::Beginning),
            ("{public_url}/{rkey}", BadEventUrl::Shared),
            ("{public_url}/{did}/{authority}", BadEventUrl::Shared),
            // The event `a-b` of `c.example`, and the event `a` of `b-c.example`.
            ("{public_url}/{rkey}-{authority}", BadEventUrl::Shared),
            ("{public_url}/{did}{rkey}", BadEventUrl::Shared),
            ("{public_url}/{did}.~:_%{rkey}/{rkey}", BadEventUrl::Shared),
            ("{public_url}/e v/{did}/{rkey}", BadEventUrl::Character(' ')),
            ("{public_url}/é/{did}/{rkey}", BadEventUrl::Character('é')),
            ("{public_url}/\u{0}/{did}/{rkey}", BadEventUrl::Character('\u{0}')),
        ] {
            assert_eq!(template.parse::<EventUrl>(), Err(error.clone()), "{template}");
            assert!(!error.to_string().is_empty());
        }
    }
}
