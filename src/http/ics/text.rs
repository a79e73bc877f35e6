//! Texts as a calendar has them, and its lines as they are sent. Spec: RFC 5545 §3.1 (folding), §3.3.11 (texts).
//!
//! The library escapes. What it leaves as it is, and must not be in a calendar, is taken out here. Its lines are put together
//! and folded anew: it leaves 76 bytes in some, and of a long line it counts the characters from the beginning for every
//! fold, so that a text of a megabyte would take seconds. It is given texts in parts.

use icalendar::Property;

/// Properties that are texts of people, as their lines begin.
const TEXTS: [&str; 3] = ["SUMMARY:", "DESCRIPTION:", "LOCATION:"];

/// Bytes of a part. What a line costs the library grows with the square of it.
const PART_BYTES_MAX: usize = 256;

/// Bytes of a line, without its end.
const LINE_BYTES_MAX: usize = 75;

const LINE_END: &str = "\r\n";
const FOLD: &str = "\r\n ";

/// A text with what a calendar may hold of it. Every end of a line is a line feed: the library would write a carriage return
/// into the calendar, and there are readers that end a line at the separators of Unicode. Of the other control
/// characters only the tab may stand in a calendar.
pub(super) fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\r' if characters.peek() == Some(&'\n') => {}
            '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => clean.push('\n'),
            '\n' | '\t' => clean.push(character),
            control if control.is_control() => {}
            other => clean.push(other),
        }
    }
    clean
}

/// A text as one property after the other, which [`fold`] makes one of; none where there is nothing in it.
pub(super) fn parts(name: &'static str, text: &str) -> impl Iterator<Item = Property> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (part, after) = rest.split_at(rest.floor_char_boundary(PART_BYTES_MAX));
        rest = after;
        (!part.is_empty()).then(|| Property::new(name, part))
    })
}

/// The lines of a calendar, with the parts of a text in one, folded anew. No value holds the end of a line, so that each
/// that is followed by a space is the library's.
pub(super) fn fold(calendar: &str) -> String {
    let mut folded = String::with_capacity(calendar.len());
    let unfolded = calendar.replace(FOLD, "");
    let mut lines = unfolded.split_terminator(LINE_END).peekable();
    while let Some(line) = lines.next() {
        let mut room = LINE_BYTES_MAX;
        push(line, &mut room, &mut folded);
        let name = TEXTS.iter().find(|name| line.starts_with(**name));
        while let Some(part) = name.and_then(|name| lines.peek()?.strip_prefix(name)) {
            push(part, &mut room, &mut folded);
            lines.next();
        }
        folded.push_str(LINE_END);
    }
    folded
}

/// Appends a piece to a line that has so much room.
fn push(mut piece: &str, room: &mut usize, folded: &mut String) {
    while piece.len() > *room {
        let (head, rest) = piece.split_at(piece.floor_char_boundary(*room));
        folded.push_str(head);
        folded.push_str(FOLD);
        // The space is in the line.
        (piece, *room) = (rest, LINE_BYTES_MAX - 1);
    }
    folded.push_str(piece);
    *room -= piece.len();
}

#[cfg(test)]
mod tests {
    use icalendar::{Component, Event};

    use super::{clean, fold, parts};

    #[test]
    fn ends_of_lines_are_line_feeds_and_control_characters_go() {
        for (text, cleaned) in [
            ("", ""),
            ("a\r\nb\rc\nd\r\r\ne", "a\nb\nc\nd\n\ne"),
            ("a\u{85}b\u{2028}c\u{2029}d\r", "a\nb\nc\nd\n"),
            ("a\0b\u{7}c\u{b}d\u{c}e\u{1b}f\u{7f}g\u{9b}h\ti", "abcdefgh\ti"),
            // Text is what its author wrote, also where it is hard to read.
            ("\u{202e}abc\u{202c}\u{200f}\u{feff}", "\u{202e}abc\u{202c}\u{200f}\u{feff}"),
            ("<b>a & b</b>; c, \\d \"e\":", "<b>a & b</b>; c, \\d \"e\":"),
        ] {
            assert_eq!(clean(text), cleaned, "{text:?}");
        }
    }

    #[test]
    fn no_line_is_longer_than_it_may_be_and_none_is_cut_within_a_character() {
        for pattern in ["a", "é", "老", "🎷", "a 老", " "] {
            for length in (0..1_000).chain([20_000]) {
                let text = pattern.repeat(length);
                let mut event = Event::with_uid("x");
                event
                    .append_property(("DTSTAMP", "20260101T000000Z"))
                    .append_property(("URL", text.as_str()));
                for part in parts("DESCRIPTION", &text) {
                    event.append_multi_property(part);
                }
                let folded = fold(&event.to_string());
                assert!(folded.split("\r\n").all(|line| line.len() <= 75), "{folded}");
                let description =
                    if text.is_empty() { String::new() } else { format!("DESCRIPTION:{text}\r\n") };
                let whole = format!(
                    "BEGIN:VEVENT\r\nDTSTAMP:20260101T000000Z\r\nUID:x\r\nURL:{text}\r\n{description}END:VEVENT\r\n"
                );
                assert_eq!(folded.replace("\r\n ", ""), whole);
                // No character is wider than four bytes, so that a line is as good as full.
                let fewest = 8 + 2 * text.len().div_ceil(71);
                assert!(folded.split("\r\n").count() <= fewest, "{folded}");
            }
        }
    }
}
