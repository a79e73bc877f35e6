//! `app.guestlist.getStandings`: `getStanding` for up to a hundred people at once.
//!
//! One standing for each actor asked about, in the order asked, repeats included, so that a client can lay
//! the two lists side by side.

use std::collections::HashMap;

use serde::Serialize;

use crate::http::answer::Call;
use crate::http::error::Failure;
use crate::http::standing::{Asked, Standing};
use crate::syntax::Did;

/// People that one call may ask about, and how that is said.
const ACTORS_MAX: (usize, &str) = (100, "given at most 100 times");

/// Where each of several people stands in a round.
#[derive(Serialize)]
pub(in crate::http) struct Standings {
    standings: Vec<Standing>,
}

pub(in crate::http) fn run(call: &Call<'_>) -> Result<Standings, Failure> {
    let uri = call.params.uri("round")?;
    let actors = call.params.actors("actors", ACTORS_MAX, call.names)?;
    let asked = Asked::of(call, uri)?;
    let mut chains = asked.chains(call.rows);
    // Who is asked about again costs nothing again.
    let mut known: HashMap<Did, Standing> = HashMap::new();
    let mut standings = Vec::new();
    for actor in actors {
        let standing = match known.get(&actor) {
            Some(standing) => standing.clone(),
            None => asked.standing(call.rows, actor.clone(), chains.as_mut())?,
        };
        known.entry(actor).or_insert_with(|| standing.clone());
        standings.push(standing);
    }
    Ok(Standings { standings })
}
