//! `app.guestlist.explain`: what is known of one record, and why it counts or not.

use crate::http::answer::Call;
use crate::http::error::Failure;
use crate::http::explanation::{self, Explanation};

pub(in crate::http) fn run(call: &Call<'_>) -> Result<Explanation, Failure> {
    let uri = call.params.uri("uri")?;
    Ok(explanation::explain(call.rows, &call.service.identities, &uri)?)
}
