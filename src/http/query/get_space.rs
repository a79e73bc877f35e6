//! `rsvp.atmo.space.getSpace`: one space, for those who are in it.

use serde::Serialize;

use crate::http::answer::Call;
use crate::http::error::Failure;
use crate::http::space::{Asked, SpaceView};

#[derive(Serialize)]
pub(in crate::http) struct Space {
    space: SpaceView,
}

pub(in crate::http) fn run(call: &Call<'_>) -> Result<Space, Failure> {
    let Asked { id, basis, .. } = Asked::as_member(call, "uri")?;
    Ok(Space { space: SpaceView::read(call, &id, basis)? })
}
