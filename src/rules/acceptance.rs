//! Whether the author of an event has accepted an RSVP. Spec: RULES §3, "Accepted RSVP".
//!
//! Read where it is asked for, and never stored: it takes the rows of the proofs that an RSVP names, and nothing else.
//! What an RSVP may cost whoever asks is bounded, because anybody can write one with thousands of signatures.

use std::collections::VecDeque;

use sha2::{Digest, Sha256};

use crate::codec::cbor::{Head, MAP, Malformed, Reader, TEXT, entries, text, write_head};
use crate::records::{Body, Kind};
use crate::rules::accounts;
use crate::syntax::{AtUri, Authority, Cid, Did, RecordKey};
use crate::tables::keys::RecordId;
use crate::tables::rows::RecordBytes;
use crate::tables::view::{ReadRows, Rows, RowsError};
use crate::tables::{Records, record_bytes};

/// Signatures of an RSVP that are looked at, of those that name an acceptance by the author of its event: the last
/// ones, since programs append them. One is enough, and an organizer who accepts somebody anew leaves one behind.
const CANDIDATES_MAX: usize = 32;

/// Bytes of one RSVP and its proofs after which no further proof is read: those of a record at its limit. An honest
/// RSVP with all the signatures that are looked at has a few tens of thousands.
const BYTES_HASHED_MAX: usize = 1_000_000;

/// The `$type` of an entry that refers to a proof; such an entry may also have none.
const STRONG_REF: &str = "com.atproto.repo.strongRef";

const SIGNATURES: &str = "signatures";
const SIG: &str = "$sig";
const REPOSITORY: &str = "repository";

/// Whether an RSVP was accepted, and what it took to find out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Finding {
    /// Whether it was.
    pub accepted: bool,
    /// Bytes of proofs that were read.
    pub bytes: usize,
}

/// An entry of `signatures` that may be the one: a proof by the right author, and the CID that it should have.
struct Candidate {
    proof: RecordId,
    cid: Cid,
}

/// Looks whether a usable RSVP was accepted, by its `subject.uri` and its bytes.
pub fn find(
    rows: &(impl Rows + ?Sized),
    id: &RecordId,
    subject: &AtUri,
    bytes: &[u8],
) -> Result<Finding, RowsError> {
    let mut finding = Finding::default();
    let Some(signatures) = field(bytes, SIGNATURES).map_err(unreadable)? else { return Ok(finding) };
    let Authority::Did(organizer) = subject.authority() else { return Ok(finding) };
    // An AtUri's authority is a DID or a handle, so this parse holds.
    let Ok(organizer) = Did::parse(organizer) else { return Ok(finding) };
    let candidates = candidates(signatures, &organizer).map_err(unreadable)?;
    if candidates.is_empty() || !accounts::is_active(rows, &organizer)? {
        return Ok(finding);
    }
    let mut attested: Option<Attested> = None;
    let mut hashed = 0;
    // The latest first: it is the likeliest to be as it was.
    for candidate in candidates.into_iter().rev() {
        let Some((claimed, proof)) = proof(rows, &candidate, &mut finding.bytes)? else { continue };
        let attested = match &attested {
            Some(attested) => attested,
            None => attested.insert(Attested::of(bytes).map_err(unreadable)?),
        };
        let sig = sig(&proof, &id.did).map_err(unreadable)?;
        if sig.is_some_and(|sig| attested.cid(&sig) == claimed) {
            finding.accepted = true;
            break;
        }
        hashed += attested.bytes + proof.len();
        if hashed > BYTES_HASHED_MAX {
            break;
        }
    }
    Ok(finding)
}

/// The attestation CID of an RSVP by `author` with this proof, both as DAG-CBOR; `None` for a proof that has no `$type`.
pub fn attestation_cid(rsvp: &[u8], proof: &[u8], author: &Did) -> Result<Option<Cid>, Malformed> {
    let attested = Attested::of(rsvp)?;
    Ok(sig(proof, author)?.map(|sig| attested.cid(&sig)))
}

/// A usable record was read without a fault when it was graded.
fn unreadable(_: Malformed) -> RowsError {
    RowsError::Contradiction { what: "a usable record cannot be read" }
}

/// The value of a field of a record.
fn field<'a>(record: &'a [u8], name: &str) -> Result<Option<&'a [u8]>, Malformed> {
    for entry in entries(record)?.ok_or(Malformed::NotDagCbor)? {
        let entry = entry?;
        if entry.key == name {
            return Ok(Some(entry.value));
        }
    }
    Ok(None)
}

/// The last entries of `signatures` that name an acceptance by `organizer`, in their order. Whatever else stands there
/// is passed over.
fn candidates(signatures: &[u8], organizer: &Did) -> Result<VecDeque<Candidate>, Malformed> {
    let mut candidates = VecDeque::new();
    let mut reader = Reader::new(signatures);
    let Head::Array(count) = reader.head()? else { return Ok(candidates) };
    // References are compared bytewise.
    let place = format!("at://{organizer}/{}/", Kind::Acceptance.nsid());
    for _ in 0..count {
        let Some((key, cid)) = reference(reader.item()?, &place)? else { continue };
        if candidates.len() == CANDIDATES_MAX {
            candidates.pop_front();
        }
        let proof = RecordId { did: organizer.clone(), kind: Kind::Acceptance, rkey: key };
        candidates.push_back(Candidate { proof, cid });
    }
    Ok(candidates)
}

/// What an entry of `signatures` refers to under `place`, if it is a strongRef that does.
fn reference(entry: &[u8], place: &str) -> Result<Option<(RecordKey, Cid)>, Malformed> {
    let Some(fields) = entries(entry)? else { return Ok(None) };
    let (mut uri, mut cid) = (None, None);
    for field in fields {
        let field = field?;
        match field.key {
            "$type" if text(field.value) != Some(STRONG_REF) => return Ok(None),
            "uri" => uri = text(field.value),
            "cid" => cid = text(field.value),
            _ => {}
        }
    }
    let key = uri.and_then(|uri| uri.strip_prefix(place)).and_then(|key| RecordKey::parse(key).ok());
    Ok(key.zip(cid.and_then(|cid| Cid::parse_in_any_base(cid).ok())))
}

/// The CID that a proof attests, with its bytes, if it is there as it was referred to. What was read of it is added to `read`
/// in any case: a row has a small proof in it.
fn proof(
    rows: &(impl Rows + ?Sized),
    candidate: &Candidate,
    read: &mut usize,
) -> Result<Option<(Cid, Vec<u8>)>, RowsError> {
    let Some(record) = rows.get::<Records>(&candidate.proof)? else { return Ok(None) };
    let in_row = match &record.bytes {
        RecordBytes::Inline(bytes) => bytes.len(),
        RecordBytes::Chunked(_) => 0,
    };
    *read += in_row;
    let Some(Body::Acceptance(acceptance)) = &record.body else { return Ok(None) };
    let Ok(claimed) = Cid::parse_in_any_base(&acceptance.cid) else { return Ok(None) };
    if record.cid != candidate.cid {
        return Ok(None);
    }
    let bytes = record_bytes(rows, &candidate.proof, &record)?;
    *read += bytes.len().saturating_sub(in_row);
    Ok(Some((claimed, bytes)))
}

/// An RSVP without `signatures`, open at the place where `$sig` goes: maps are sorted by the length of their keys, then by
/// their bytes. What stands before is hashed already.
struct Attested {
    before: Sha256,
    after: Vec<u8>,
    bytes: usize,
}

impl Attested {
    fn of(rsvp: &[u8]) -> Result<Self, Malformed> {
        let (mut count, mut before, mut after) = (1, Vec::new(), Vec::new());
        for entry in entries(rsvp)?.ok_or(Malformed::NotDagCbor)? {
            let entry = entry?;
            match entry.key {
                // One that is there already gives way.
                SIGNATURES | SIG => continue,
                key if is_before(key, SIG) => before.extend_from_slice(entry.whole),
                _ => after.extend_from_slice(entry.whole),
            }
            count += 1;
        }
        let mut head = Vec::new();
        write_head(&mut head, MAP, count);
        let bytes = before.len() + after.len();
        write_text(&mut before, SIG);
        Ok(Self { before: Sha256::new().chain_update(head).chain_update(before), after, bytes })
    }

    fn cid(&self, sig: &[u8]) -> Cid {
        Cid::of_dag_cbor(self.before.clone().chain_update(sig).chain_update(&self.after))
    }
}

/// What goes into `$sig`: the metadata of a proof, bound to the repository of the RSVP. `None` for a proof that does not say
/// what it is.
fn sig(proof: &[u8], author: &Did) -> Result<Option<Vec<u8>>, Malformed> {
    let (mut count, mut before, mut after) = (1, Vec::new(), Vec::new());
    let mut says_what_it_is = false;
    for entry in entries(proof)?.ok_or(Malformed::NotDagCbor)? {
        let entry = entry?;
        says_what_it_is |= entry.key == "$type";
        match entry.key {
            "cid" | "signature" | REPOSITORY => continue,
            key if is_before(key, REPOSITORY) => before.extend_from_slice(entry.whole),
            _ => after.extend_from_slice(entry.whole),
        }
        count += 1;
    }
    let mut sig = Vec::new();
    write_head(&mut sig, MAP, count);
    sig.append(&mut before);
    write_text(&mut sig, REPOSITORY);
    write_text(&mut sig, author.as_str());
    sig.append(&mut after);
    Ok(says_what_it_is.then_some(sig))
}

/// Whether a key of a map stands before another.
fn is_before(key: &str, other: &str) -> bool {
    (key.len(), key) < (other.len(), other)
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    write_head(out, TEXT, text.len());
    out.extend_from_slice(text.as_bytes());
}
