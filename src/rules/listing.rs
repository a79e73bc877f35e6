//! Where readers find records: indexes that no rule asks, kept up as records are filed.
//!
//! Each holds usable records whatever the state of their author's account; who reads them looks at that. A
//! record is in at most one place of each, so that an edit that changes where it belongs moves it there.

use crate::records::{Body, Unusable};
use crate::tables::keys::{
    AnswerKey, EventTimeKey, InvitationId, InvitedKey, OwnEventKey, QuarantineKey, RecordId, RoundId,
    RoundRecordKey,
};
use crate::tables::view::Overlay;
use crate::tables::{Answers, EventTimes, Invited, OwnEvents, Quarantine, Submissions, Table};

/// A usable record appeared, or went.
pub fn list(rows: &mut Overlay<'_>, id: &RecordId, body: &Body, appears: bool) {
    let (author, rkey) = (id.did.clone(), id.rkey.clone());
    match body {
        Body::Invitation(invitation) => {
            let Some(round) = RoundId::from_uri(&invitation.round) else { return };
            let invitee = invitation.invitee.clone();
            let invitation = InvitationId { did: author, rkey };
            set::<Invited>(rows, &InvitedKey { invitee, round, invitation }, appears.then_some(()));
        }
        Body::Submission(submission) => {
            let Some(round) = RoundId::from_uri(&submission.round) else { return };
            set::<Submissions>(rows, &RoundRecordKey { round, author, rkey }, appears.then_some(()));
        }
        Body::Rsvp(rsvp) => {
            let key = AnswerKey::new(&author, rsvp.time, &rkey);
            set::<Answers>(rows, &key, appears.then_some(()));
        }
        Body::Event(event) => {
            let key = EventTimeKey::new(id, event);
            set::<EventTimes>(rows, &key, appears.then(|| event.clone()));
            set::<OwnEvents>(rows, &OwnEventKey(key), appears.then(|| event.clone()));
        }
        Body::Jam(_) | Body::Round(_) | Body::Signup(_) | Body::Acceptance(_) => {}
    }
}

/// An unusable record appeared, for this reason, or went.
pub fn quarantine(rows: &mut Overlay<'_>, id: &RecordId, reason: Option<Unusable>) {
    set::<Quarantine>(rows, &QuarantineKey(id.clone()), reason);
}

fn set<T: Table>(rows: &mut Overlay<'_>, key: &T::Key, value: Option<T::Value>) {
    match value {
        Some(value) => rows.put::<T>(key, &value),
        None => rows.delete::<T>(key),
    }
}
