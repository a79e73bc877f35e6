//! `rsvp.atmo.space.admin.createSpace`: makes a space of the caller's.

use serde::{Deserialize, Serialize};

use super::Calling;
use crate::http::error::ApiError;
use crate::http::space::SpaceView;
use crate::spaces::command::{Command, Done};
use crate::syntax::{Nsid, RecordKey, Tid};
use crate::tables::keys::SpaceId;
use crate::tables::spaces::{AppPolicy, SpaceTerms};

// The terms are not flattened into it: what is put aside for that may not be an integer of the data model, and a field
// that nobody knows would be refused for being one.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Input {
    #[serde(default, rename = "type")]
    kind: Option<Nsid>,
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    member_list_ref: Option<Box<str>>,
    #[serde(default)]
    app_policy_ref: Option<Box<str>>,
    #[serde(default)]
    app_policy: Option<AppPolicy>,
}

#[derive(Serialize)]
pub(in crate::http) struct Created {
    space: SpaceView,
}

pub(in crate::http) fn ask(calling: &Calling<'_>, input: Input) -> Result<(Command, SpaceId), ApiError> {
    let key = match input.key {
        Some(key) => RecordKey::parse(&key)
            .map_err(|_| ApiError::BadField { path: "/key".into(), expected: "a record key" })?,
        None => new_key(calling.now)?,
    };
    let kind = input.kind.unwrap_or_else(|| calling.service.space_type.clone());
    let space = SpaceId { owner: calling.caller.clone(), kind, key };
    let Input { member_list_ref, app_policy_ref, app_policy, .. } = input;
    let terms = SpaceTerms { member_list_ref, app_policy_ref, app_policy };
    Ok((Command::CreateSpace { space: space.clone(), terms }, space))
}

pub(in crate::http) fn show(calling: &Calling<'_>, space: SpaceId, done: Done) -> Option<Created> {
    match done {
        Done::Space(made) => Some(Created { space: SpaceView::of_made(&space, made, calling.service) }),
        _ => None,
    }
}

/// The key of a space that nobody has named: the time, with ten bits by chance in place of a clock's number.
fn new_key(now: i64) -> Result<RecordKey, ApiError> {
    let chance = getrandom::u32().map_err(|error| {
        tracing::error!(%error, "the operating system gave no random bytes");
        ApiError::Internal
    })?;
    let micros = u64::try_from(now).unwrap_or(0).saturating_mul(1_000);
    let tid = Tid::from_be_bytes((micros << 10 | u64::from(chance & 0x3ff)).to_be_bytes());
    Ok(RecordKey::parse(&tid.to_string()).expect("a TID is a record key"))
}
