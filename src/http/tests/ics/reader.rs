//! A feed read back: by another library, and once more line by line, since that one takes off spaces at the ends of lines.

use std::collections::BTreeSet;

use ical::IcalParser;
use ical::property::Property;

/// What is in a calendar.
pub(super) struct Read {
    properties: Vec<Property>,
    pub(super) events: Vec<Vevent>,
}

/// An entry.
pub(super) struct Vevent(Vec<Property>);

impl Read {
    pub(super) fn text(&self, name: &str) -> String {
        unescape(find(&self.properties, name).unwrap_or_default())
    }
}

impl Vevent {
    /// The value of a property as it stands.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        find(&self.0, name)
    }

    /// The text that a property is; an empty one where there is none.
    pub(super) fn text(&self, name: &str) -> String {
        unescape(self.value(name).unwrap_or_default())
    }

    /// A property with what stands between its name and its value.
    pub(super) fn with_kind(&self, name: &str) -> String {
        let property = self.0.iter().find(|property| property.name == name);
        property.map_or_else(String::new, |property| {
            let kinds = property.params.iter().flatten();
            let kinds: String = kinds.map(|(name, values)| format!("{name}={}:", values.join(","))).collect();
            kinds + property.value.as_deref().unwrap_or_default()
        })
    }
}

fn find<'a>(properties: &'a [Property], name: &str) -> Option<&'a str> {
    let mut found = properties.iter().filter(|property| property.name == name);
    let value = found.next()?.value.as_deref();
    assert!(found.next().is_none(), "{name} twice");
    Some(value.unwrap_or_default())
}

fn unescape(text: &str) -> String {
    let mut unescaped = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        unescaped.push(match character {
            '\\' => match characters.next().unwrap() {
                'n' => '\n',
                other => {
                    assert!("\\;,".contains(other), "\\{other}");
                    other
                }
            },
            other => {
                assert!(!";,\r\n".contains(other), "{text:?} is not escaped");
                other
            }
        });
    }
    unescaped
}

/// Reads a feed, which must be one calendar and nothing else.
pub(super) fn read(text: &str) -> Read {
    assert_is_well_formed(text);
    let mut calendars = IcalParser::new(text.as_bytes());
    let calendar = calendars.next().unwrap().unwrap();
    assert!(calendars.next().is_none());
    assert!(calendar.alarms.is_empty() && calendar.todos.is_empty() && calendar.timezones.is_empty());
    let events: Vec<_> = calendar.events.into_iter().map(|event| Vevent(event.properties)).collect();
    for event in &events {
        for name in ["UID", "DTSTAMP", "DTSTART", "LAST-MODIFIED", "SUMMARY"] {
            assert!(event.value(name).is_some(), "{name}: {text}");
        }
        // Nothing but what we write, whatever a record says.
        for property in &event.0 {
            assert!(PROPERTIES.contains(&property.name.as_str()), "{property:?}");
        }
        assert_times(event);
    }
    let uids: BTreeSet<_> = events.iter().map(|event| event.value("UID")).collect();
    assert_eq!(uids.len(), events.len(), "{text}");
    // Where it is, the media type must name it too, and each entry somebody by an address of mail (RFC 5545 §3.7.2, RFC 5546 §3.2.1).
    assert_eq!(find(&calendar.properties, "METHOD"), None);
    Read { properties: calendar.properties, events }
}

/// Times are of years that there are; an end is of the kind of its start, and after it (RFC 5545 §3.8.2.2).
fn assert_times(event: &Vevent) {
    let start = event.with_kind("DTSTART");
    let names = ["DTSTART", "DTEND", "DTSTAMP", "LAST-MODIFIED", "CREATED"];
    for value in names.iter().filter_map(|name| event.value(name)) {
        let digits = value.replacen('T', "", 1).replacen('Z', "", 1);
        assert!(digits.bytes().all(|byte| byte.is_ascii_digit()) && !value.starts_with("0000"), "{value}");
    }
    if event.value("DTEND").is_some() {
        let end = event.with_kind("DTEND");
        assert!(end > start && end.len() == start.len(), "{start} {end}");
    }
}

const PROPERTIES: [&str; 13] = [
    "UID",
    "DTSTAMP",
    "LAST-MODIFIED",
    "CREATED",
    "DTSTART",
    "DTEND",
    "SUMMARY",
    "DESCRIPTION",
    "LOCATION",
    "GEO",
    "URL",
    "STATUS",
    "TRANSP",
];

/// Lines end as they must, none is longer than 75 bytes, and each is text by itself.
fn assert_is_well_formed(text: &str) {
    let lines = lines(text);
    for line in &lines {
        assert!(line.len() <= 75, "{line}");
        assert!(
            !line.is_empty() && !line.chars().any(|character| character.is_control() && character != '\t')
        );
    }
    assert_eq!((lines[0], *lines.last().unwrap()), ("BEGIN:VCALENDAR", "END:VCALENDAR"));
    // As readers see it that end a line wherever Unicode does.
    for strange in ['\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}'] {
        assert!(!text.contains(strange));
    }
}

fn lines(text: &str) -> Vec<&str> {
    let lines: Vec<_> = text.strip_suffix("\r\n").unwrap().split("\r\n").collect();
    for line in &lines {
        assert!(!line.contains(['\r', '\n']), "{line:?}");
    }
    lines
}

/// The texts of a property of all entries, in their order and to the last space.
pub(super) fn exactly(text: &str, name: &str) -> Vec<String> {
    let unfolded = lines(text).join("\r\n").replace("\r\n ", "");
    let start = format!("{name}:");
    unfolded.split("\r\n").filter_map(|line| line.strip_prefix(start.as_str())).map(unescape).collect()
}
