//! RULES §1: "The public interop syntax files decide what a format accepts".

use super::super::times::{Instant, tid_micros};

#[test]
fn valid_datetimes_have_a_time() {
    for (text, micros) in [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.0000009Z", 0),
        ("1970-01-01T00:00:01.5Z", 1_500_000),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-02T00:00:00.000001-00:30", 86_400_000_000 + 1_800_000_000 + 1),
        ("1969-12-31T23:59:59.9999999Z", -1),
        ("1968-12-31T00:00:00Z", -366 * 86_400_000_000),
        ("1985-04-12T23:20:50.123456789012Z", 482_196_050_123_456),
        ("2000-02-29T00:00:00Z", 951_782_400_000_000),
        ("0000-01-01T00:00:00.000Z", -62_167_219_200_000_000),
        ("3001-12-31T23:00:00.000Z", 32_566_748_400_000_000),
    ] {
        assert_eq!(Instant::parse(text).map(|instant| instant.micros()), Some(micros), "{text}");
    }
}

#[test]
fn invalid_datetimes_have_none() {
    for text in [
        "",
        "1985-04-12",
        "1985-04-12T23:20:50",
        "1985-04-12T23:20:50.123",
        "1985-04-12T23:20:50.Z",
        "1985-04-12t23:20:50Z",
        "1985-04-12T23:20:50z",
        "1985-04-12 23:20:50Z",
        " 1985-04-12T23:20:50Z",
        "1985-04-12T23:20:50Z ",
        "1985-04-12T23:20:50.123-00:00",
        "1985-04-12T23:20:50.123+0000",
        "1985-04-12T23:20:50.123+00",
        "1985-04-12T23:20:50+24:00",
        "1985-04-12T23:20:50+00:60",
        "1985-00-12T23:20:50Z",
        "1985-13-12T23:20:50Z",
        "1985-04-00T23:20:50Z",
        "1985-04-31T23:20:50Z",
        "1985-02-29T23:20:50Z",
        "1900-02-29T23:20:50Z",
        "1985-04-12T24:20:50Z",
        "1985-04-12T23:60:50Z",
        "1985-04-12T23:20:60Z",
        "1985-04-12T23:20:50.123456789012345678901Z",
        "0000-01-01T00:00:00+01:00",
        "-000001-12-31T23:00:00.000Z",
        "1985–04-12T23:20:50Z",
    ] {
        assert_eq!(Instant::parse(text), None, "{text}");
    }
}

#[test]
fn moments_sort_by_every_digit_written() {
    let sorted = [
        "2026-08-01T12:00:00Z",
        "2026-08-01T12:00:00.0000000001Z",
        "2026-08-01T12:00:00.09Z",
        "2026-08-01T12:00:00.5Z",
        "2026-08-01T12:00:00.51Z",
        "2026-08-01T11:00:01-01:00",
    ];
    assert!(sorted.map(Instant::parse).is_sorted_by(|one, next| one < next));
    assert_eq!(Instant::parse("2026-08-01T12:00:00.50Z"), Instant::parse("2026-08-01T14:00:00.5+02:00"));
    assert!(None < Instant::parse("0000-01-01T00:00:00Z"), "an unreadable time is the earliest");
}

#[test]
fn tids_have_a_time() {
    for (text, micros) in [
        ("2222222222222", Some(0)),
        // The last two characters are the clock's id, and the third from the right counts microseconds.
        ("22222222222zz", Some(0)),
        ("2222222222322", Some(1)),
        ("2222222223222", Some(32)),
        ("3zzzzzzzzzzzz", Some((1 << 51) - 1)),
        ("3jzfcijpj2z2", None),
        ("3jzfcijpj2z2aa", None),
        ("3JZFCIJPJ2Z2A", None),
        ("3jzfcijpj2z21", None),
        ("kjzfcijpj2z2a", None),
        ("3jzf-cij-pj2z-2a", None),
        ("answer", None),
    ] {
        assert_eq!(tid_micros(text), micros, "{text}");
    }
}
