//! Jetstream: lines that are refused, records in them that nobody can use, and unusual lines that are good.

use std::collections::BTreeMap;

use guestlist::codec::limits::JETSTREAM_LINE_BYTES_MAX;
use guestlist::codec::{Reject, json};
use guestlist::syntax::Cid;
use ipld_core::ipld::Ipld;
use serde_json::{Value, json};

use super::{BAD_AT, EVENT, Replayed, event, replayed, round, rsvp, signup, uri_and_line};
use crate::frames::{Line, cbor, link, map, rev, text};
use crate::harness::check;
use crate::history::did;

fn good_lines() -> Vec<String> {
    let line = |who: u8, number: u64, collection, rkey: &str, record: Value| {
        Line::create(&did(who), number, collection, rkey, &record.to_string()).text()
    };
    vec![
        line(0, 10, "at.atjam.round", "r", round()),
        line(1, 20, "at.atjam.signup", "s", signup()),
        line(2, 30, "at.atjam.signup", "s", signup()),
        line(1, 40, EVENT, "e", event()),
        line(3, 50, "community.lexicon.calendar.rsvp", "a", rsvp()),
        line(3, 60, EVENT, "gone", event()),
        Line::delete(&did(3), 70, EVENT, "gone").text(),
    ]
}

fn lines(lines: &[String]) -> Replayed {
    replayed("some.jsonl", format!("{}\n", lines.join("\n")).as_bytes(), &[])
}

fn bad_line() -> Line {
    Line::create(&did(1), 35, EVENT, "bad", &event().to_string())
}

fn good_lines_with(bad: &[u8]) -> Vec<u8> {
    let good = good_lines();
    let before = good[..BAD_AT].iter().flat_map(|line| format!("{line}\n").into_bytes());
    let after = good[BAD_AT..].iter().flat_map(|line| format!("{line}\n").into_bytes());
    before.chain(bad.iter().copied()).chain([b'\n']).chain(after).collect()
}

fn bad_lines() -> Vec<(&'static str, Vec<u8>, Reject)> {
    let line = |change: &dyn Fn(&mut Line)| {
        let mut line = bad_line();
        change(&mut line);
        line.text().into_bytes()
    };
    let replaced = |from: &str, to: &str| {
        let text = bad_line().text();
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1).into_bytes()
    };
    let gone = |account: &str| {
        format!(r#"{{"did":"{}","time_us":35,"kind":"account","account":{account}}}"#, did(1)).into_bytes()
    };
    let listed = format!(r#"["{}",35,"account",null,{{"active":false,"status":"deleted"}},null]"#, did(1));
    let cut = bad_line().text().into_bytes();
    vec![
        ("no JSON", b"commit".to_vec(), Reject::LineNotJson),
        ("half a line", cut[..cut.len() / 2].to_vec(), Reject::LineNotJson),
        ("two objects", [&cut[..], &cut[..]].concat(), Reject::LineNotJson),
        ("a number", b"35".to_vec(), Reject::LineNotJson),
        ("null", b"null".to_vec(), Reject::LineNotJson),
        ("text", b"\"commit\"".to_vec(), Reject::LineNotJson),
        ("an empty list", b"[]".to_vec(), Reject::LineNotJson),
        ("the fields as a list", listed.into_bytes(), Reject::LineNotJson),
        ("bytes that are not UTF-8", replaced("Rehearsal", "R\u{0}").iter().map(|b| if *b == 0 { 0xff } else { *b }).collect(), Reject::LineNotJson),
        ("a line of zeros", vec![0; 1000], Reject::LineNotJson),
        ("levels without number", vec![b'['; 1_000_000], Reject::LineNotJson),
        ("objects without number", br#"{"a":"#.repeat(100_000), Reject::LineNotJson),
        ("a time that is a fraction", replaced("\"time_us\":35", "\"time_us\":3.5"), Reject::LineNotJson),
        ("a negative time", replaced("\"time_us\":35", "\"time_us\":-35"), Reject::LineNotJson),
        ("a line over 8,000,000 bytes", padded_line(JETSTREAM_LINE_BYTES_MAX + 1), Reject::LineTooLarge),
        ("a line of 20,000,000 bytes", padded_line(20_000_000), Reject::LineTooLarge),
        ("an unknown kind", replaced("\"kind\":\"commit\"", "\"kind\":\"sync\""), Reject::UnknownKind),
        ("a kind in capitals", replaced("\"kind\":\"commit\"", "\"kind\":\"Commit\""), Reject::UnknownKind),
        ("an error", br#"{"error":"ConsumerTooSlow","message":"no"}"#.to_vec(), Reject::ErrorFrame),
        ("an empty object", b"{}".to_vec(), Reject::BadField),
        ("no did", replaced("\"did\":", "\"dad\":"), Reject::BadField),
        ("no time", replaced("\"time_us\":35,", ""), Reject::BadField),
        ("no commit", replaced("\"commit\":{", "\"comet\":{"), Reject::BadField),
        ("a commit of null", format!(r#"{{"did":"{}","time_us":35,"kind":"commit","commit":null}}"#, did(1)).into_bytes(), Reject::BadField),
        ("a commit that is a list", format!(r#"{{"did":"{}","time_us":35,"kind":"commit","commit":["{}","delete","{EVENT}","e",null,null]}}"#, did(1), rev(35)).into_bytes(), Reject::BadField),
        ("no rev", replaced("\"rev\":", "\"rav\":"), Reject::BadField),
        ("no operation", replaced("\"operation\":", "\"oration\":"), Reject::BadField),
        ("no collection", replaced("\"collection\":", "\"confection\":"), Reject::BadField),
        ("no rkey", replaced("\"rkey\":", "\"okey\":"), Reject::BadField),
        ("a lone surrogate in the rkey", replaced("\"rkey\":\"bad\"", r#""rkey":"\ud800""#), Reject::BadField),
        ("a bad DID", line(&|line| line.did = "did:plc:".to_owned()), Reject::BadDid),
        ("a bad rev", line(&|line| line.rev = "yesterday".to_owned()), Reject::BadRev),
        ("a bad collection", line(&|line| line.collection = "event"), Reject::BadPath),
        ("a bad rkey", line(&|line| line.rkey = "..".to_owned()), Reject::BadPath),
        ("an rkey with a slash", line(&|line| line.rkey = "b/d".to_owned()), Reject::BadPath),
        ("an unknown operation", line(&|line| line.operation = "replace"), Reject::BadAction),
        ("no record", line(&|line| line.record = None), Reject::RecordMissing),
        ("an update without a record", line(&|line| { line.operation = "update"; line.record = None }), Reject::RecordMissing),
        ("no cid", line(&|line| line.cid = None), Reject::BadCid),
        ("a cid that is none", line(&|line| line.cid = Some("bafy".to_owned())), Reject::BadCid),
        ("a cid of version 0", line(&|line| line.cid = Some("QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn".to_owned())), Reject::BadCid),
        ("an account that is text", gone("\"deleted\""), Reject::BadField),
        ("an account of null", gone("null"), Reject::BadField),
        ("an account that is a list", gone(r#"[false,"deleted",null]"#), Reject::BadField),
        ("an active that is text", gone(r#"{"active":"false","status":"deleted"}"#), Reject::BadField),
        ("an active that is a number", gone(r#"{"active":0,"status":"deleted"}"#), Reject::BadField),
        ("no active", gone(r#"{"status":"deleted"}"#), Reject::BadField),
    ]
}

/// A line that spaces make so many bytes long.
fn padded_line(bytes: usize) -> Vec<u8> {
    let text = bad_line().text().into_bytes();
    let (last, rest) = text.split_last().unwrap();
    let spaces = vec![b' '; bytes - text.len()];
    let line = [rest, &spaces, &[*last]].concat();
    assert_eq!(line.len(), bytes);
    line
}

#[test]
fn bad_lines_are_counted_and_left_out() {
    let without = lines(&good_lines());
    assert_eq!(without.rejected(), &json!({}), "the good dump is good");
    assert_eq!(without.export().lines().count(), 5, "and has something to spoil");
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
    let mut all = Vec::new();
    for (name, bad, reason) in bad_lines() {
        let with = replayed("some.jsonl", &good_lines_with(&bad), &[]);
        assert_eq!(with.rejected(), &json!({ reason.reason(): 1 }), "{name}");
        assert_eq!(with.summary["frames"], good_lines().len() + 1, "{name}");
        assert_eq!(with.digest(), without.digest(), "{name}:\n{}", with.export());
        *reasons.entry(reason.reason()).or_default() += 1;
        if !all.is_empty() {
            all.push(b'\n');
        }
        all.extend(bad);
    }
    let with = replayed("some.jsonl", &good_lines_with(&all), &["--batch", "3"]);
    assert_eq!(with.rejected(), &json!(reasons));
    assert_eq!(with.export(), without.export());
    check(&with.data_dir());
    for reason in ["line-too-large", "line-not-json", "unknown-kind", "record-missing", "bad-cid"] {
        assert!(reasons.contains_key(reason), "no line here is refused for {reason}");
    }
}

#[test]
fn an_unusable_record_of_a_line_is_kept_apart() {
    let fields =
        |more: &str| format!(r#"{{"$type":"{EVENT}","name":"x","createdAt":"2026-01-01T00:00:00Z",{more}}}"#);
    let brackets = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let objects = |levels: usize| format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
    let large = fields(&format!(r#""filler":"{}""#, "x".repeat(1_000_000)));
    let records: Vec<(&str, String, &str)> = vec![
        ("null", "null".to_owned(), "not-a-map"),
        ("a list", "[]".to_owned(), "not-a-map"),
        ("text", "\"text\"".to_owned(), "not-a-map"),
        ("a fraction", fields(r#""x":1.5"#), "not-dag-cbor"),
        ("a whole fraction that was a float", fields(r#""x":1.0"#), "cid-mismatch"),
        ("an exponent that was a float", fields(r#""x":1e3"#), "cid-mismatch"),
        ("an exponent in capitals that was a float", fields(r#""x":[1E+3]"#), "cid-mismatch"),
        ("an integer of 65 bits", fields(r#""x":9223372036854775808"#), "not-dag-cbor"),
        ("a negative integer of 65 bits", fields(r#""x":-9223372036854775809"#), "not-dag-cbor"),
        ("an integer of a hundred digits", fields(&format!(r#""x":{}"#, "9".repeat(100))), "not-dag-cbor"),
        ("an integer of a thousand digits", fields(&format!(r#""x":{}"#, "9".repeat(1000))), "not-dag-cbor"),
        ("33 levels", fields(&format!(r#""x":{}"#, brackets(32))), "too-deep"),
        ("33 levels of objects", fields(&format!(r#""x":{}"#, objects(32))), "too-deep"),
        ("100 levels", fields(&format!(r#""x":{}"#, brackets(99))), "too-deep"),
        ("101 levels", fields(&format!(r#""x":{}"#, brackets(100))), "too-deep"),
        ("130 levels", fields(&format!(r#""x":{}"#, objects(129))), "too-deep"),
        ("10,000 levels", fields(&format!(r#""x":{}"#, objects(10_000))), "too-deep"),
        ("10,000 levels and no map", brackets(10_000), "too-deep"),
        (
            "10,000 levels and a fraction",
            fields(&format!(r#""x":{},"y":0.5"#, brackets(10_000))),
            "not-dag-cbor",
        ),
        ("a $link that is a number", fields(r#""x":{"$link":1}"#), "not-dag-cbor"),
        ("a $link that is no CID", fields(r#""x":{"$link":"bafy"}"#), "not-dag-cbor"),
        ("a $link that is empty", fields(r#""x":{"$link":""}"#), "not-dag-cbor"),
        (
            "a $link with another key",
            fields(&format!(r#""x":{{"$link":"{}","y":1}}"#, any_cid())),
            "not-dag-cbor",
        ),
        ("a $link with a path", fields(&format!(r#""x":{{"$link":"/ipfs/{}"}}"#, any_cid())), "not-dag-cbor"),
        (
            "a $link in capitals",
            fields(&format!(r#""x":{{"$link":"{}"}}"#, any_cid().to_uppercase())),
            "not-dag-cbor",
        ),
        ("a $bytes that is no base64", fields(r#""x":{"$bytes":"a-_b"}"#), "not-dag-cbor"),
        ("a $bytes that is a number", fields(r#""x":{"$bytes":1}"#), "not-dag-cbor"),
        ("a lone surrogate", fields(r#""x":"\ud800""#), "not-dag-cbor"),
        ("a lone surrogate in a key", fields(r#""\udc00":1"#), "not-dag-cbor"),
        ("a large record", large, "too-large"),
        ("another CID", event().to_string(), "cid-mismatch"),
        ("another CID and another type", r#"{"$type":"app.example.other"}"#.to_owned(), "cid-mismatch"),
        ("another type", r#"{"$type":"app.example.other"}"#.to_owned(), "wrong-type"),
    ];
    let mut text = good_lines().join("\n");
    let mut cids = Vec::new();
    for (n, (_, record, reason)) in records.iter().enumerate() {
        let number = 100 + n as u64;
        let mut line = Line::create(&did(1), number, EVENT, &format!("bad{n}"), record);
        if *reason == "cid-mismatch" {
            line.cid = Some(any_cid());
        }
        cids.push(line.cid.clone().unwrap());
        text.push_str(&format!("\n{}", line.text()));
    }
    let with = replayed("some.jsonl", text.as_bytes(), &[]);
    assert_eq!(with.rejected(), &json!({}));
    let found: BTreeMap<String, Value> = with.export().lines().map(uri_and_line).collect();
    for (n, (name, _, reason)) in records.iter().enumerate() {
        let line = &found[&format!("at://{}/{EVENT}/bad{n}", did(1))];
        assert_eq!(
            (line["grade"].as_str(), line["reason"].as_str()),
            (Some("unusable"), Some(*reason)),
            "{name}"
        );
        assert_eq!(line["cid"], cids[n], "{name}: the row carries the declared CID");
    }
    assert_eq!(with.summary["quarantined"], records.len());
    let others: BTreeMap<String, Value> =
        found.into_iter().filter(|(uri, _)| !uri.contains("/bad")).collect();
    assert_eq!(others, lines(&good_lines()).export().lines().map(uri_and_line).collect());
    check(&with.data_dir());
}

fn any_cid() -> String {
    Cid::compute_dag_cbor(b"any").to_string()
}

#[test]
fn lines_may_end_and_be_written_in_any_way() {
    let plain = lines(&good_lines());
    let crlf = good_lines().join("\r\n") + "\r\n";
    let blank = format!("\n\r\n \t\n{}\n\n\n", good_lines().join("\n\n  \n"));
    let spaced: String = good_lines().iter().map(|line| format!("  {line} \t\n")).collect();
    let unended = good_lines().join("\n");
    let unended_crlf = format!("{}\r", good_lines().join("\r\n"));
    let escaped = good_lines()
        .join("\n")
        .replace("\"commit\"", r#""\u0063ommit""#)
        .replace("did:plc:", r"did\u003aplc:")
        .replace("\"create\"", r#""cr\u0065ate""#)
        .replace("\"rkey\":\"", r#""rk\u0065y":"\u0072"#)
        .replace("at.atjam", r"\u0061t.atjam");
    for (name, text) in [
        ("CRLF", crlf),
        ("blank lines", blank),
        ("spaces", spaced),
        ("no newline at the end", unended),
        ("a CR at the end", unended_crlf),
    ] {
        let with = replayed("some.jsonl", text.as_bytes(), &[]);
        assert_eq!(with.rejected(), &json!({}), "{name}");
        assert_eq!(with.summary["frames"], good_lines().len(), "{name}: blank lines are no messages");
        assert_eq!(with.digest(), plain.digest(), "{name}");
    }
    // Every key became one letter longer, and the links inside the records did not.
    let with = replayed("some.jsonl", escaped.as_bytes(), &[]);
    assert_eq!(with.rejected(), &json!({}));
    assert!(with.export().contains(&format!("at://{}/at.atjam.round/rr", did(0))), "{}", with.export());
    assert_eq!(with.summary["records"]["at.atjam.signup"], 2);
}

#[test]
fn a_line_of_8_000_000_bytes_is_read_also_at_the_end() {
    let line = padded_line(JETSTREAM_LINE_BYTES_MAX);
    for ending in ["\n", "\r\n", ""] {
        let text = [&line[..], ending.as_bytes()].concat();
        let with = replayed("some.jsonl", &text, &[]);
        assert_eq!(with.rejected(), &json!({}), "{ending:?}");
        assert_eq!(with.summary["applied"], 1, "{ending:?}");
    }
}

#[test]
fn integers_links_and_bytes_of_a_line_hash_as_in_the_repository() {
    let record = format!(
        r#"{{"$type":"{EVENT}","name":"x","createdAt":"2026-01-01T00:00:00Z","a":9223372036854775807,"b":-9223372036854775808,
           "c":{{"$link":"{}"}},"d":{{"$bytes":"AAEC"}},"e":{{"$bytes":"AAE="}},"f":{{"$bytes":"AAE"}},"g":9007199254740993,"i":3.0,"j":1e3,"h":"\ud83d\ude00"}}"#,
        any_cid()
    )
    .replace('\n', " ");
    let value = map([
        ("$type", text(EVENT)),
        ("name", text("x")),
        ("createdAt", text("2026-01-01T00:00:00Z")),
        ("a", Ipld::Integer(i64::MAX.into())),
        ("b", Ipld::Integer(i64::MIN.into())),
        ("c", link(Cid::compute_dag_cbor(b"any"))),
        ("d", Ipld::Bytes(vec![0, 1, 2])),
        ("e", Ipld::Bytes(vec![0, 1])),
        ("f", Ipld::Bytes(vec![0, 1])),
        ("g", Ipld::Integer(9_007_199_254_740_993)),
        ("h", text("😀")),
        // JSON does not tell these from 3 and 1000; what was a float in the repository has another CID.
        ("i", Ipld::Integer(3)),
        ("j", Ipld::Integer(1000)),
    ]);
    assert_eq!(json::encode_dag_cbor(&record).unwrap(), cbor(&value));
    let mut line = Line::create(&did(1), 35, EVENT, "exact", &record);
    line.cid = Some(Cid::compute_dag_cbor(&cbor(&value)).to_string());
    let with = replayed("some.jsonl", line.text().as_bytes(), &[]);
    assert_eq!((with.rejected(), &with.summary["quarantined"]), (&json!({}), &json!(0)));
}

#[test]
fn a_compressed_dump_of_lines_that_was_cut_short_gives_what_is_whole() {
    let good = good_lines();
    let compress = |line: &String| zstd::encode_all(format!("{line}\n").as_bytes(), 3).unwrap();
    let parts: Vec<Vec<u8>> = good.iter().map(compress).collect();
    let last = parts.len() - 1;
    for cut in [1, 5, parts[last].len() / 2, parts[last].len() - 1] {
        let bytes = [&parts[..last].concat()[..], &parts[last][..cut]].concat();
        let with = replayed("some.jsonl.zst", &bytes, &[]);
        assert_eq!(with.rejected(), &json!({ "truncated-frame": 1 }), "{cut} bytes of the last part");
        assert_eq!(with.digest(), lines(&good[..last]).digest());
    }
}
