//! The lexicon string format `language`: a BCP 47 tag.
//!
//! Well-formed by the grammar of RFC 5646, and no variant or extension given twice; whether a
//! subtag is registered is not asked. Two things are narrower than the RFC, as the protocol's
//! public test lists have it: the language itself is two or three letters, and lowercase.
//! Spec: atproto spec, lexicon ("language").

use std::iter::Peekable;
use std::str::Split;

/// Far above any real tag (RFC 5646 section 4.4.1 plans for 35), and low enough that looking for
/// repeated subtags stays cheap.
const LANGUAGE_BYTES_MAX: usize = 128;

/// The registered tags that break the grammar (RFC 5646, "irregular"). The regular ones of that
/// list follow it and need no mention.
const IRREGULAR: [&str; 17] = [
    "en-GB-oed",
    "i-ami",
    "i-bnn",
    "i-default",
    "i-enochian",
    "i-hak",
    "i-klingon",
    "i-lux",
    "i-mingo",
    "i-navajo",
    "i-pwn",
    "i-tao",
    "i-tay",
    "i-tsu",
    "sgn-BE-FR",
    "sgn-BE-NL",
    "sgn-CH-DE",
];

/// Whether `text` has the lexicon format `language`. At most 128 bytes.
pub fn is_language(text: &str) -> bool {
    if text.len() > LANGUAGE_BYTES_MAX {
        return false;
    }
    let mut subtags = text.split('-').peekable();
    let Some(primary) = subtags.next() else {
        return false;
    };
    if primary.eq_ignore_ascii_case("x") {
        return is_private_use(&mut subtags);
    }
    if !primary.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return false;
    }
    (matches!(primary.len(), 2 | 3) && is_langtag_tail(&mut subtags))
        || IRREGULAR.iter().any(|tag| tag.eq_ignore_ascii_case(text))
}

type Subtags<'a> = Peekable<Split<'a, char>>;

/// What may follow the language: extended languages, script, region, variants, extensions and
/// private use, in this order, each of them optional.
fn is_langtag_tail(subtags: &mut Subtags<'_>) -> bool {
    for _ in 0..3 {
        subtags.next_if(|subtag| is_letters(subtag, 3));
    }
    subtags.next_if(|subtag| is_letters(subtag, 4));
    subtags.next_if(|subtag| is_letters(subtag, 2) || is_digits(subtag, 3));

    let mut variants = Vec::new();
    while let Some(variant) = subtags.next_if(|subtag| is_variant(subtag)) {
        if !insert(&mut variants, variant) {
            return false;
        }
    }
    let mut singletons = Vec::new();
    while let Some(singleton) = subtags.next_if(|subtag| is_singleton(subtag)) {
        if !insert(&mut singletons, singleton) || !skip_extension(subtags) {
            return false;
        }
    }
    match subtags.next() {
        None => true,
        Some(last) => last.eq_ignore_ascii_case("x") && is_private_use(subtags),
    }
}

/// Adds a subtag to those seen, or says `false` if it was there in whatever case.
fn insert<'a>(seen: &mut Vec<&'a str>, subtag: &'a str) -> bool {
    let is_new = !seen.iter().any(|other| other.eq_ignore_ascii_case(subtag));
    seen.push(subtag);
    is_new
}

/// Takes the one or more parts of an extension; `false` if there is none.
fn skip_extension(subtags: &mut Subtags<'_>) -> bool {
    let mut parts = 0;
    while subtags.next_if(|subtag| is_alphanumeric(subtag, 2)).is_some() {
        parts += 1;
    }
    parts > 0
}

/// What follows the `x`: one or more parts, up to the end.
fn is_private_use(subtags: &mut Subtags<'_>) -> bool {
    subtags.peek().is_some() && subtags.all(|subtag| is_alphanumeric(subtag, 1))
}

fn is_variant(subtag: &str) -> bool {
    is_alphanumeric(subtag, 5)
        || (subtag.len() == 4
            && is_alphanumeric(subtag, 4)
            && subtag.starts_with(|first: char| first.is_ascii_digit()))
}

fn is_singleton(subtag: &str) -> bool {
    subtag.len() == 1 && is_alphanumeric(subtag, 1) && !subtag.eq_ignore_ascii_case("x")
}

fn is_letters(subtag: &str, len: usize) -> bool {
    subtag.len() == len && subtag.bytes().all(|byte| byte.is_ascii_alphabetic())
}

fn is_digits(subtag: &str, len: usize) -> bool {
    subtag.len() == len && subtag.bytes().all(|byte| byte.is_ascii_digit())
}

/// Letters and digits, at least `min` and at most 8, which no subtag exceeds.
fn is_alphanumeric(subtag: &str, min: usize) -> bool {
    (min..=8).contains(&subtag.len()) && subtag.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::{IRREGULAR, LANGUAGE_BYTES_MAX, is_language};

    #[test]
    fn accepts_well_formed_tags() {
        for text in [
            "de",
            "gsw",
            "de-CH",
            "de-ch",
            "es-419",
            "zh-Hans",
            "zh-Hans-CN",
            "zh-cmn-Hans-CN",
            "zh-min-nan",
            "aa-bbb-ccc-ddd",
            "sl-nedis",
            "sl-rozaj-1994",
            "de-CH-1996",
            "de-1a2b",
            "sr-Latn-RS-ekavsk",
            "en-u-co-phonebk",
            "en-a-ab-b-cd",
            "en-0-ab",
            "en-a-bb-x-a-bb",
            "en-x-a",
            "en-X-A-A",
            "x-a",
            "X-a-1-b",
            "art-lojban",
            "no-bok",
            "cel-gaulish",
            "en-gb-OED",
        ] {
            assert!(is_language(text), "{text}");
        }
        assert!(IRREGULAR.iter().all(|tag| is_language(tag)));
    }

    #[test]
    fn refuses_malformed_tags() {
        for text in [
            "",
            "-",
            "d",
            "i",
            "x",
            "a-DE",
            "DE",
            "De",
            "1a",
            "123",
            "abcd",
            "german",
            "de-",
            "-de",
            "de--CH",
            "de_CH",
            "de-x",
            "de-x-",
            "x-",
            "de-a",
            "de-a-b",
            "de-a-x-b",
            "de-u-",
            "de-419-CH",
            "de-CH-Latn",
            "de-CH-abc",
            "aa-bbb-ccc-ddd-eee",
            "de-12345678a",
            "de-abc1",
            "de-x-123456789",
            "de-é",
            "de CH",
            " de",
            "de\n",
            "i-none",
            "i-",
            "en-GB-oedx",
            "dé",
        ] {
            assert!(!is_language(text), "{text:?}");
        }
    }

    #[test]
    fn refuses_what_is_said_twice() {
        for text in
            ["sl-rozaj-rozaj", "sl-rozaj-ROZAJ", "sl-1994-rozaj-1994", "en-a-ab-a-cd", "en-u-co-b-cd-U-ca"]
        {
            assert!(!is_language(text), "{text}");
        }
    }

    #[test]
    fn the_length_limit_is_exact() {
        let longest = format!("de-x-{}abc", "a-".repeat(60));
        assert_eq!(longest.len(), LANGUAGE_BYTES_MAX);
        assert!(is_language(&longest));
        assert!(!is_language(&format!("{longest}a")));
    }
}
