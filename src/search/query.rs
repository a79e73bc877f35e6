//! What is looked for, and in which order it is found.
//!
//! Every word must be found: in the name, in the name of a place or in the description, whole or as a beginning. The
//! points of an event follow from its own text and the query alone: not from how often others have those words, as is
//! usual, since that depends on what was deleted when, and the same records must give the same order everywhere.

use std::ops::Bound;

use tantivy::collector::TopDocs;
use tantivy::collector::sort_key::{SortBySimilarityScore, SortByStaticFastValue};
use tantivy::query::{
    AllQuery, BooleanQuery, ConstScoreQuery, DisjunctionMaxQuery, Occur, PhraseQuery, Query, RangeQuery,
    TermQuery,
};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{Order, Score, Searcher, Term};

use super::index::{Fields, IndexError, NUMBER, START, URI, uri_of};
use super::words::{Word, terms, words};
use crate::syntax::{AtUri, Did};
use crate::tables::keys::RecordId;

/// Characters of a query. People type a few words; a title that is pasted fits.
const QUERY_CHARS_MAX: usize = 512;

/// Words of a query. Each costs a look at all that begins with it.
const QUERY_WORDS_MAX: usize = 32;

/// The word for events that people can still go to.
const UPCOMING: &str = "upcoming";

/// Points for a word that is found whole, and for one that something begins with; by where.
struct Points {
    whole: Score,
    beginning: Score,
}

// Whole numbers, so that their sum is the same in whatever order they are added.
const IN_NAME: Points = Points { whole: 32.0, beginning: 24.0 };
const IN_PLACE: Points = Points { whole: 12.0, beginning: 9.0 };
const IN_DESCRIPTION: Points = Points { whole: 4.0, beginning: 3.0 };

/// Points for a name that has the words one after the other.
const AS_PHRASE: Score = 16.0;

/// A filter takes no part in the order.
const NO_POINTS: Score = 0.0;

/// What is looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    words: Vec<Word>,
    /// Whether there was a text, and no word in it. Nothing has none.
    is_wordless: bool,
    /// Only what is upcoming.
    upcoming: bool,
    /// Only by this organizer.
    pub organizer: Option<Did>,
    /// Only at one of these locations, by their CIDs; anywhere if there are none.
    pub locations: Vec<String>,
}

/// A query that asks too much at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at most {QUERY_WORDS_MAX} words and {QUERY_CHARS_MAX} characters are looked for at once")]
pub struct TooMuch;

impl Wanted {
    /// What a text looks for. Without one it is everything.
    ///
    /// # Errors
    /// It is too long.
    pub fn text(text: &str) -> Result<Self, TooMuch> {
        if text.chars().count() > QUERY_CHARS_MAX {
            return Err(TooMuch);
        }
        let mut all = words(text);
        let is_wordless = all.is_empty() && !text.trim().is_empty();
        let before = all.len();
        all.retain(|word| *word != Word::Spaced(UPCOMING.to_owned()));
        let upcoming = all.len() < before;
        let mut words: Vec<Word> = Vec::new();
        for word in all.into_iter().map(Word::cut) {
            if !words.contains(&word) {
                words.push(word);
            }
        }
        if words.len() > QUERY_WORDS_MAX {
            return Err(TooMuch);
        }
        Ok(Self { words, is_wordless, upcoming, ..Self::default() })
    }

    /// Whether there is nothing that anything could be found by.
    pub fn is_empty(&self) -> bool {
        self.is_wordless
            || (self.words.is_empty()
                && !self.upcoming
                && self.organizer.is_none()
                && self.locations.is_empty())
    }

    fn query(&self, fields: &Fields, now: i64) -> Box<dyn Query> {
        let must = |query| (Occur::Must, query);
        let mut clauses: Vec<_> = self.words.iter().map(|word| must(word_query(fields, word))).collect();
        if clauses.is_empty() {
            clauses.push(must(filter(Box::new(AllQuery))));
        }
        clauses.extend(self.phrase(fields.name).map(|phrase| (Occur::Should, phrase)));
        if self.upcoming {
            let from = Bound::Included(Term::from_field_i64(fields.upcoming_until, now));
            clauses.push(must(filter(Box::new(RangeQuery::new(from, Bound::Unbounded)))));
        }
        if let Some(organizer) = &self.organizer {
            clauses.push(must(filter(exactly(fields.organizer, organizer.as_str()))));
        }
        if !self.locations.is_empty() {
            let any = self.locations.iter().map(|cid| exactly(fields.location, cid)).collect();
            clauses.push(must(filter(Box::new(BooleanQuery::union(any)))));
        }
        Box::new(BooleanQuery::new(clauses))
    }

    /// All words, one after the other.
    fn phrase(&self, field: Field) -> Option<Box<dyn Query>> {
        if self.words.len() < 2 {
            return None;
        }
        phrase(field, &self.words).map(|phrase| points(phrase, AS_PHRASE))
    }
}

/// So many of what is wanted after so many that come before, at a time in microseconds since the epoch.
pub(super) fn find(
    searcher: &Searcher,
    fields: &Fields,
    wanted: &Wanted,
    now: i64,
    skipped: usize,
    count: usize,
) -> Result<Vec<RecordId>, IndexError> {
    let by_start = SortByStaticFastValue::<i64>::for_field(START);
    let by_number = SortByStaticFastValue::<u64>::for_field(NUMBER);
    let order = ((SortBySimilarityScore, Order::Desc), (by_start, Order::Asc), (by_number, Order::Asc));
    let top = TopDocs::with_limit(count.max(1)).and_offset(skipped).order_by(order);
    let found = searcher.search(&*wanted.query(fields, now), &top)?;
    found
        .into_iter()
        .map(|(_, address)| {
            let columns = searcher.segment_reader(address.segment_ord).fast_fields();
            let uris = columns.str(URI)?.ok_or(IndexError::Nonsense { what: "no URIs" })?;
            let uri = uri_of(&uris, address.doc_id)?;
            let id = AtUri::parse(&uri).ok().as_ref().and_then(RecordId::from_uri);
            id.ok_or(IndexError::Nonsense { what: "a URI that is none" })
        })
        .collect()
}

/// Events that have a word, with the points of the best place where they have it.
fn word_query(fields: &Fields, word: &Word) -> Box<dyn Query> {
    let mut places: Vec<Box<dyn Query>> = Vec::new();
    for (field, of) in
        [(fields.name, IN_NAME), (fields.places, IN_PLACE), (fields.description, IN_DESCRIPTION)]
    {
        places.extend(phrase(field, std::slice::from_ref(word)).map(|whole| points(whole, of.whole)));
        places.extend(beginning(field, word).map(|query| points(query, of.beginning)));
    }
    Box::new(DisjunctionMaxQuery::new(places))
}

/// Texts with these words whole, one after the other. `None` where that says no more than how something begins.
fn phrase(field: Field, words: &[Word]) -> Option<Box<dyn Query>> {
    let mut found: Vec<_> =
        terms(words).map(|term| (term.place, Term::from_field_text(field, &term.text))).collect();
    // Whatever is looked for may go on in the text, so that the last character of a run need not be its last there. One
    // that stands alone after other words is as a word of theirs.
    if matches!(words, [.., Word::Run(run)] if run.len() > 1 || words.len() == 1) {
        found.pop();
    }
    match found.as_slice() {
        [] => None,
        [(_, term)] => Some(Box::new(TermQuery::new(term.clone(), IndexRecordOption::Basic))),
        _ => Some(Box::new(PhraseQuery::new_with_offset(found))),
    }
}

/// Texts in which something begins with a word.
fn beginning(field: Field, word: &Word) -> Option<Box<dyn Query>> {
    let text = match word {
        Word::Spaced(text) => text.clone(),
        Word::Run(run) => match run.as_slice() {
            [only] => only.to_string(),
            // The pairs of a longer one say where it stands.
            _ => return None,
        },
    };
    let from = Bound::Included(Term::from_field_text(field, &text));
    let to = Bound::Excluded(Term::from_field_text(field, &format!("{text}{}", char::MAX)));
    Some(Box::new(RangeQuery::new(from, to)))
}

fn exactly(field: Field, text: &str) -> Box<dyn Query> {
    Box::new(TermQuery::new(Term::from_field_text(field, text), IndexRecordOption::Basic))
}

fn points(query: Box<dyn Query>, points: Score) -> Box<dyn Query> {
    Box::new(ConstScoreQuery::new(query, points))
}

fn filter(query: Box<dyn Query>) -> Box<dyn Query> {
    points(query, NO_POINTS)
}
