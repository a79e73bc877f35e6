//! `app.guestlist.listInvitations`: invitations with their verdicts, to a round, by somebody, for somebody.
//!
//! Somebody's invitations are in the order of the rounds that they are for, a round's in that of their
//! authors, and an author's in that of their record keys.

use serde::Serialize;

use crate::http::answer::Call;
use crate::http::error::Failure;
use crate::http::listing::{DecidedItem, Listing, round_of};
use crate::http::page::Paging;
use crate::records::Kind;
use crate::syntax::{AtUri, Did};
use crate::tables::keys::{
    RecordId, write_invited, write_person, write_repository, write_round, write_round_author,
};
use crate::tables::view::prefix_of;
use crate::tables::{Invitations, Invited, Records};

/// A page of invitations.
#[derive(Serialize)]
pub(in crate::http) struct InvitationList {
    invitations: Vec<DecidedItem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

pub(in crate::http) fn run(call: &Call<'_>) -> Result<InvitationList, Failure> {
    let round_uri = call.params.optional_uri("round")?;
    let author = call.params.optional_actor("author", call.names)?;
    let invitee = call.params.optional_actor("invitee", call.names)?;
    let list = Listing::of(call, Kind::Invitation)?;
    let filters = [
        ("round", round_uri.as_ref().map(AtUri::as_str)),
        ("author", author.as_ref().map(Did::as_str)),
        ("invitee", invitee.as_ref().map(Did::as_str)),
        ("status", list.status),
    ];
    let paging = Paging::of(call, &filters)?;
    let round = round_uri.as_ref().map(round_of).transpose()?;
    let page = match (&round, &invitee) {
        (round, Some(invitee)) => {
            let range = prefix_of::<Invited>(|key| match round {
                Some(round) => {
                    write_invited(invitee, round, key);
                    if let Some(author) = &author {
                        write_repository(author, key);
                    }
                }
                None => write_person(invitee, key),
            });
            paging.page::<Invited, _>(call, range, |key, ()| {
                let is_by = author.as_ref().is_none_or(|author| *author == key.invitation.did);
                if is_by { list.item(key.invitation.record()) } else { Ok(None) }
            })?
        }
        (Some(round), None) => {
            let range = prefix_of::<Invitations>(|key| match &author {
                Some(author) => write_round_author(round, author, key),
                None => write_round(round, key),
            });
            paging.page::<Invitations, _>(call, range, |key, _| {
                list.item(RecordId { did: key.author, kind: Kind::Invitation, rkey: key.rkey })
            })?
        }
        (None, None) => {
            let range = list.by_author(author.as_ref());
            paging.page::<Records, _>(call, range, |id, _| list.item(id))?
        }
    };
    Ok(InvitationList { invitations: page.items, cursor: page.cursor })
}
