//! `app.guestlist.listParticipants`: who is in a round, and how far from its organizer.
//!
//! One item a person, in the order of their DIDs. A depth takes a walk back to the organizer; all those of one
//! page together look at a bounded number of links, and the page ends before it would be more.

use serde::Serialize;

use crate::http::answer::Call;
use crate::http::error::Failure;
use crate::http::page::{Item, Paging, Step};
use crate::http::standing::{Asked, Shown, shown_signup};
use crate::rules::accounts;
use crate::rules::depth::Depths;
use crate::rules::verdict::{OpenDoor, Verdict, invitation_used};
use crate::syntax::Did;
use crate::tables::Signups;
use crate::tables::keys::{Key, RoundId, write_round, write_round_author};
use crate::tables::view::{Range, ReadRows, Rows, RowsError, prefix_of};

/// Links that are looked at for one page: as many as for one chain.
const LINKS_LOOKED_AT: usize = 20_000;

/// Signups that are looked at for one page: a hundred people may have a thousand each.
const SIGNUPS_LOOKED_AT: usize = 10_000;

/// A page of participants.
#[derive(Serialize)]
pub(in crate::http) struct ParticipantList {
    participants: Vec<Participant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Participant {
    did: Did,
    #[serde(skip_serializing_if = "Option::is_none")]
    handle: Option<String>,
    /// The one that speaks for them.
    signup: String,
    basis: &'static str,
    /// Absent where it takes too many links to find.
    #[serde(skip_serializing_if = "Option::is_none")]
    depth: Option<u32>,
    can_invite: bool,
}

pub(in crate::http) fn run(call: &Call<'_>) -> Result<ParticipantList, Failure> {
    let uri = call.params.uri("round")?;
    let asked = Asked::of(call, uri)?;
    let paging = Paging::of(call, &[("round", Some(asked.uri.as_str()))])?;
    let after = paging.after_key::<Did>()?;
    let Ok(door) = &asked.door else {
        // Nobody is in a round that is not live or has no authority.
        return Ok(ParticipantList { participants: Vec::new(), cursor: None });
    };
    let depths = Depths::new(call.rows, door, LINKS_LOOKED_AT);
    let mut people = People { call, door, depths, signups: 0, any: false };
    let authors = call.rows.scan_groups::<Signups>(left(&asked.round, after.as_ref()), |key| {
        prefix_of::<Signups>(|prefix| write_round_author(&key.round, &key.author, prefix))
    });
    let page = paging.walk(authors.map(|row| {
        let (key, _) = row?;
        let mut place = Vec::new();
        key.author.write(&mut place);
        Ok((place, people.step(key.author)?))
    }))?;
    Ok(ParticipantList { participants: page.items, cursor: page.cursor })
}

/// The signups of those who come after someone.
fn left(round: &RoundId, after: Option<&Did>) -> Range {
    let all = prefix_of::<Signups>(|key| write_round(round, key));
    let after = after.and_then(|did| prefix_of::<Signups>(|key| write_round_author(round, did, key)).end);
    Range { start: after.unwrap_or(all.start), end: all.end }
}

/// The people of one page.
struct People<'a> {
    call: &'a Call<'a>,
    door: &'a OpenDoor,
    depths: Depths<'a, dyn Rows + 'a>,
    /// Signups that were looked at.
    signups: usize,
    /// Whether the page has somebody.
    any: bool,
}

impl People<'_> {
    fn step(&mut self, did: Did) -> Result<Step<Participant>, RowsError> {
        let rows = self.call.rows;
        if !accounts::is_active(rows, &did)? || !self.door.participates(rows, &did)? {
            return Ok(Step::Passed);
        }
        if self.signups >= SIGNUPS_LOOKED_AT {
            return Ok(Step::TooMuch);
        }
        let shown = shown_signup(rows, &self.door.round, &did, Some(self.door), &mut self.signups)?;
        let Some(shown) = shown else { return Ok(Step::Passed) };
        let Verdict::Valid(Some(basis)) = shown.verdict else {
            return Err(RowsError::Contradiction { what: "a participant's signup is not valid" });
        };
        let depth = self.depth(&shown)?;
        // The next page has the whole of it for this one person; only a chain that is too much alone goes without.
        if depth.is_none() && self.any {
            return Ok(Step::TooMuch);
        }
        self.any = true;
        let view = Participant {
            handle: self.call.service.identities.shown_handle(&did),
            signup: shown.id.uri(),
            basis: basis.name(),
            depth,
            can_invite: self.door.may_invite(rows, &did)?.is_ok(),
            did,
        };
        Ok(Step::Shown(Item { view, record_bytes: 0 }))
    }

    /// Invitations on the chain to a signup.
    fn depth(&mut self, shown: &Shown) -> Result<Option<u32>, RowsError> {
        match invitation_used(&shown.signup, shown.verdict) {
            Some(invitation) => Ok(self.depths.of_inviter(&invitation.did)?.map(|depth| depth + 1)),
            None => Ok(Some(0)),
        }
    }
}
