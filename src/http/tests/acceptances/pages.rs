//! What pages of answers cost whoever asks, when their authors mean harm.

use serde_json::{Value, json};

use super::{World, answer, attest, find_in, party, signed};
use crate::http::tests::world::uri;
use crate::records::Kind;
use crate::syntax::Cid;

/// Bytes of a proof that is about as large as one in a row may be.
const PROOF_BYTES: usize = 8_000;

#[tokio::test]
async fn proofs_that_are_others_than_those_that_were_named_count_in_a_page_too() {
    let mut world = World::new();
    let stale = Cid::compute_dag_cbor(b"what stood there before").to_string();
    let named: Vec<_> = (0..32)
        .map(|number| {
            let fields =
                json!({ "$type": Kind::Acceptance.nsid(), "n": number, "x": "x".repeat(PROOF_BYTES - 200) });
            world.put(
                "ada",
                Kind::Acceptance,
                &format!("p{number}"),
                attest(&answer(&party()), "bea", fields),
            );
            json!({ "uri": uri("ada", Kind::Acceptance, &format!("p{number}")), "cid": stale })
        })
        .collect();
    for number in 0..40 {
        world.put(&format!("b{number:02}"), Kind::Rsvp, "v", signed(answer(&party()), json!(named)));
    }
    let finding = find_in(&world, "b00");
    assert!(!finding.accepted && finding.bytes > 31 * (PROOF_BYTES - 200), "{finding:?}");
    // A quarter of a megabyte each, and a page has four megabytes.
    let params = [("event", &*party()), ("limit", "100")];
    let page = world.get("app.guestlist.listEventRSVPs", &params).await;
    let shown = page["rsvps"].as_array().map_or(0, Vec::len);
    assert!((10..20).contains(&shown) && page["cursor"].is_string(), "{shown}");
    let all: Vec<Value> = world.list("app.guestlist.listEventRSVPs", "rsvps", &params).await;
    assert_eq!(all.len(), 40);
}
