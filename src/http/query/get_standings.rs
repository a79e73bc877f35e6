//! `app.guestlist.getStandings`: `getStanding` for up to a hundred people at once.
//!
//! One standing for each actor asked about, in the order asked, repeats included, so that a client can lay
//! the two lists side by side.

use serde::Serialize;

use crate::http::answer::Call;
use crate::http::error::Failure;
use crate::http::standing::{Asked, Standing};
use crate::rules::depth::Depths;

/// People that one call may ask about, and how that is said.
const ACTORS_MAX: (usize, &str) = (100, "given at most 100 times");

/// Links that are looked at for all chains of one answer: as many as for one alone. An honest round needs a few
/// for each person.
const LINKS_LOOKED_AT: usize = 20_000;

/// Where each of several people stands in a round.
#[derive(Serialize)]
pub(in crate::http) struct Standings {
    standings: Vec<Standing>,
}

pub(in crate::http) fn run(call: &Call<'_>) -> Result<Standings, Failure> {
    let uri = call.params.uri("round")?;
    let actors = call.params.actors("actors", ACTORS_MAX, &call.service.identities)?;
    let asked = Asked::of(call, uri)?;
    let mut depths = asked.door.as_ref().ok().map(|door| Depths::new(call.rows, door, LINKS_LOOKED_AT));
    let standings = actors
        .into_iter()
        .map(|actor| asked.standing(call.rows, actor, depths.as_mut()))
        .collect::<Result<_, _>>()?;
    Ok(Standings { standings })
}
