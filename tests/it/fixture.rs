//! The stores that versions to come are tested with (`upgrade`): written by the last program of a version, and kept.

use std::io::Write as _;

use guestlist::store::{IfAbsent, Store};
use guestlist::syntax::TokenHash;
use guestlist::tables::view::{Direction, Range};

use crate::harness::{digest, succeed};
use crate::keeping::everything;

const CLUB: &str = "at://did:plc:ada/tools.atmo.event.space/club";
const PARTY: &str = "at://did:plc:wjhryzcympl32mbztchwd6qy/community.lexicon.calendar.event/3n2rvktmu522b";

/// Writes every row of a store with something of each kind (its key and its value, each after its length in four bytes),
/// and what it exports of what people did.
#[test]
#[ignore = "it writes files whose names begin with GUESTLIST_FIXTURE: see the README of the fixtures"]
fn the_rows_of_this_version_are_written_down() {
    let path =
        std::env::var("GUESTLIST_FIXTURE").expect("GUESTLIST_FIXTURE says what their names begin with");
    let (_dir, data) = everything();
    let open = TokenHash::of("open").to_string();
    succeed(&[&"invites", &"revoke", &CLUB, &open, &"--data-dir", &data]);
    succeed(&[&"invites", &"pause", &PARTY, &"--data-dir", &data]);
    succeed(&[&"erase", &"did:plc:cal", &"--yes", &"--data-dir", &data]);
    let store = Store::open(&data, 8 << 20, IfAbsent::Fail).unwrap();
    let mut bytes = Vec::new();
    for row in store.snapshot().scan_bytes(Range { start: Vec::new(), end: None }, Direction::Ascending) {
        let (key, value) = row.unwrap();
        for part in [key, value] {
            bytes.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
            bytes.extend(part);
        }
    }
    drop(store);
    std::fs::write(format!("{path}.rows.zst"), zstd::encode_all(&bytes[..], 19).unwrap()).unwrap();
    let procedures = succeed(&[&"export", &"--procedures", &"--data-dir", &data]);
    std::fs::write(format!("{path}.procedures.jsonl"), procedures).unwrap();
    writeln!(std::io::stderr(), "digest {}", digest(&data)).unwrap();
}
