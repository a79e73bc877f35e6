//! `app.guestlist.getInviteGraph`: who invited whom to a round, for drawing.
//!
//! From the organizer outwards, so that what a large round leaves out is what lies farthest from the middle;
//! then those whom nobody of these invited. It depends on the rows alone: the same rows, the same graph.

use std::collections::{BTreeSet, VecDeque};

use serde::Serialize;

use crate::http::answer::Call;
use crate::http::error::Failure;
use crate::http::standing::{Asked, Rights};
use crate::http::view::live;
use crate::records::Kind;
use crate::rules::accounts;
use crate::rules::authority::organizes;
use crate::rules::verdict::decide;
use crate::syntax::{Did, RecordKey};
use crate::tables::keys::{
    InvitationId, RecordId, RoundId, write_round, write_round_author, write_signups_naming,
};
use crate::tables::view::{ReadRows, RowsError, prefix_of};
use crate::tables::{Invitations, Signups};

/// People in a graph: more cannot be drawn so that anybody could read it.
const NODES_MAX: usize = 1_000;

/// Invitations in a graph, for the same reason.
const EDGES_MAX: usize = 2_000;

/// Rows that are examined for one graph: some for each edge, and those of hidden accounts.
const ROWS_EXAMINED_MAX: usize = 10_000;

/// The people of a round and the invitations between them.
#[derive(Default, Serialize)]
pub(in crate::http) struct Graph {
    nodes: Vec<Node>,
    edges: Vec<Edge>,
    truncated: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    did: Did,
    #[serde(skip_serializing_if = "Option::is_none")]
    handle: Option<String>,
    participant: bool,
    /// Left out unless it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    organizer: Option<bool>,
    can_invite: bool,
}

/// An invitation, with the earliest signup that names it.
#[derive(Serialize)]
struct Edge {
    from: Did,
    to: Did,
    invitation: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    signup: Option<String>,
    /// Whether that signup is valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    valid: Option<bool>,
}

pub(in crate::http) fn run(call: &Call<'_>) -> Result<Graph, Failure> {
    let uri = call.params.uri("round")?;
    let asked = Asked::of(call, uri)?;
    let mut drawing = Drawing {
        call,
        asked: &asked,
        graph: Graph::default(),
        met: BTreeSet::new(),
        rows_left: ROWS_EXAMINED_MAX,
    };
    drawing.graph.truncated = drawing.draw()?.is_none();
    Ok(drawing.graph)
}

/// A graph while it is made. Its steps give `None` when it is as large as it may be.
struct Drawing<'a> {
    call: &'a Call<'a>,
    asked: &'a Asked,
    graph: Graph,
    met: BTreeSet<Did>,
    rows_left: usize,
}

impl Drawing<'_> {
    fn draw(&mut self) -> Result<Option<()>, RowsError> {
        let round = &self.asked.round;
        let mut queue = VecDeque::new();
        if self.meet(&round.did, &mut queue)?.is_none() || self.go_out(&mut queue)?.is_none() {
            return Ok(None);
        }
        let all = prefix_of::<Signups>(|key| write_round(round, key));
        for row in self.call.rows.scan_groups::<Signups>(all, |key| {
            prefix_of::<Signups>(|prefix| write_round_author(&key.round, &key.author, prefix))
        }) {
            let author = row?.0.author;
            if self.examine().is_none() || self.meet(&author, &mut queue)?.is_none() {
                return Ok(None);
            }
        }
        let all = prefix_of::<Invitations>(|key| write_round(round, key));
        for row in self.call.rows.scan_groups::<Invitations>(all, |key| {
            prefix_of::<Invitations>(|prefix| write_round_author(&key.round, &key.author, prefix))
        }) {
            let author = row?.0.author;
            if self.examine().is_none() || self.meet(&author, &mut queue)?.is_none() {
                return Ok(None);
            }
        }
        self.go_out(&mut queue)
    }

    fn examine(&mut self) -> Option<()> {
        self.rows_left = self.rows_left.checked_sub(1)?;
        Some(())
    }

    /// Adds somebody who was not met before. Who is not active is no node.
    fn meet(&mut self, did: &Did, queue: &mut VecDeque<Did>) -> Result<Option<()>, RowsError> {
        if self.met.contains(did) || !accounts::is_active(self.call.rows, did)? {
            return Ok(Some(()));
        }
        if self.graph.nodes.len() == NODES_MAX {
            return Ok(None);
        }
        let rights = Rights::of(self.call.rows, &self.asked.door, did)?;
        self.graph.nodes.push(Node {
            did: did.clone(),
            handle: self.call.service.identities.shown_handle(did),
            participant: rights.participant,
            organizer: organizes(did, &self.asked.round).then_some(true),
            can_invite: rights.can_invite,
        });
        self.met.insert(did.clone());
        queue.push_back(did.clone());
        Ok(Some(()))
    }

    /// Adds the invitations of everybody in the queue, and whom they are for.
    fn go_out(&mut self, queue: &mut VecDeque<Did>) -> Result<Option<()>, RowsError> {
        let round: &RoundId = &self.asked.round;
        let rows = self.call.rows;
        while let Some(from) = queue.pop_front() {
            let range = prefix_of::<Invitations>(|key| write_round_author(round, &from, key));
            for row in rows.scan::<Invitations>(range) {
                let (key, to) = row?;
                if self.examine().is_none() {
                    return Ok(None);
                }
                if !accounts::is_active(rows, &to)? {
                    continue;
                }
                if self.graph.edges.len() == EDGES_MAX || self.meet(&to, queue)?.is_none() {
                    return Ok(None);
                }
                let invitation = InvitationId { did: key.author, rkey: key.rkey };
                let Some(signup) = self.signup(&invitation, &to)? else { return Ok(None) };
                let (signup, valid) = signup.unzip();
                let invitation = invitation.record().uri();
                self.graph.edges.push(Edge { from: from.clone(), to, invitation, signup, valid });
            }
        }
        Ok(Some(()))
    }

    /// The earliest signup that names an invitation, if there is one, and whether it is valid.
    fn signup(
        &mut self,
        invitation: &InvitationId,
        to: &Did,
    ) -> Result<Option<Option<(String, bool)>>, RowsError> {
        let rows = self.call.rows;
        let range = prefix_of::<Signups>(|key| write_signups_naming(&self.asked.round, to, invitation, key));
        let mut earliest: Option<(i64, RecordKey)> = None;
        for row in rows.scan::<Signups>(range) {
            let (key, facts) = row?;
            if self.examine().is_none() {
                return Ok(None);
            }
            let one = (facts.time, key.rkey);
            earliest = Some(earliest.map_or(one.clone(), |earliest| earliest.min(one)));
        }
        let Some((_, rkey)) = earliest else { return Ok(Some(None)) };
        let id = RecordId { did: to.clone(), kind: Kind::Signup, rkey };
        let body = live(rows, &id)?.and_then(|record| record.body);
        let verdict = body.map(|body| decide(rows, &id, &body)).transpose()?.flatten();
        Ok(Some(verdict.map(|verdict| (id.uri(), verdict.is_valid()))))
    }
}
