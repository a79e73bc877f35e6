//! The queries, one file a method: from a call to its answer.
//!
//! Each is a synchronous function of a snapshot. What it may be asked and what it answers is in the lexicon
//! of the method.

pub(super) mod explain;
pub(super) mod get_event;
pub(super) mod get_invite_graph;
pub(super) mod get_round;
pub(super) mod get_rsvp;
pub(super) mod get_space;
pub(super) mod get_standing;
pub(super) mod get_standings;
pub(super) mod get_status;
pub(super) mod list_actor_rounds;
pub(super) mod list_audit;
pub(super) mod list_event_rsvps;
pub(super) mod list_events;
pub(super) mod list_invitations;
pub(super) mod list_invites;
pub(super) mod list_members;
pub(super) mod list_participants;
pub(super) mod list_quarantine;
pub(super) mod list_rounds;
pub(super) mod list_rsvps;
pub(super) mod list_signups;
pub(super) mod list_spaces;
pub(super) mod list_submissions;
pub(super) mod list_tickets;
pub(super) mod search_events;
pub(super) mod whoami;
