//! `app.guestlist.getStatus`: how the service is doing, and what may be missing.

use crate::http::answer::Call;
use crate::http::error::Failure;
use crate::http::status::{Asked, Status, status};

pub(in crate::http) fn run(call: &Call<'_>) -> Result<Status, Failure> {
    let did = call.params.optional_did("did")?;
    let asked = Asked {
        rows: call.rows,
        sources: Some(&call.service.sources),
        search: Some(call.service.search.state()),
        store_bytes: call.service.store.bytes_on_disk()?,
        did: did.as_ref(),
        now: call.now,
    };
    Ok(status(&asked)?)
}
