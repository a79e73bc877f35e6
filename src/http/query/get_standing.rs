//! `app.guestlist.getStanding`: whether someone may take part in a round, and why. The one call that another
//! service makes.

use crate::http::answer::Call;
use crate::http::error::Failure;
use crate::http::standing::{Asked, Standing};

pub(in crate::http) fn run(call: &Call<'_>) -> Result<Standing, Failure> {
    let uri = call.params.uri("round")?;
    let actor = call.params.actor("actor", call.names)?;
    let asked = Asked::of(call, uri)?;
    Ok(asked.standing(call.rows, actor, asked.chains(call.rows).as_mut())?)
}
