//! Keys of tickets, by event and by person.

use super::{END, Key, RecordId, split_at, write_person};
use crate::syntax::Did;

/// A ticket for an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketKey {
    /// The event.
    pub event: RecordId,
    /// Who has it.
    pub did: Did,
}

/// A ticket of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonTicketKey {
    /// Who has it.
    pub did: Did,
    /// The event.
    pub event: RecordId,
}

/// Appends what the keys of an event's tickets begin with.
pub fn write_ticket(event: &RecordId, out: &mut Vec<u8>) {
    event.write(out);
    out.push(END);
}

impl Key for TicketKey {
    fn write(&self, out: &mut Vec<u8>) {
        write_ticket(&self.event, out);
        self.did.write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (event, did) = split_at(bytes, END)?;
        Some(Self { event: RecordId::read(event)?, did: Did::read(did)? })
    }
}

impl Key for PersonTicketKey {
    fn write(&self, out: &mut Vec<u8>) {
        write_person(&self.did, out);
        self.event.write(out);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (did, event) = split_at(bytes, END)?;
        Some(Self { did: Did::read(did)?, event: RecordId::read(event)? })
    }
}

#[cfg(test)]
mod tests {
    use super::{Key, PersonTicketKey, RecordId, TicketKey};
    use crate::syntax::{AtUri, Did};

    #[test]
    fn keys_lead_back_to_what_they_are() {
        let uri = AtUri::parse("at://did:web:x%3A1/community.lexicon.calendar.event/a:b~c").unwrap();
        let event = RecordId::from_uri(&uri).unwrap();
        let did = Did::parse("did:plc:b").unwrap();
        let (mut by_event, mut by_person) = (Vec::new(), Vec::new());
        let (of_event, of_person) =
            (TicketKey { event: event.clone(), did: did.clone() }, PersonTicketKey { did, event });
        of_event.write(&mut by_event);
        of_person.write(&mut by_person);
        assert_eq!(TicketKey::read(&by_event), Some(of_event));
        assert_eq!(PersonTicketKey::read(&by_person), Some(of_person));
    }
}
