//! The words of texts as tantivy takes them.

use std::collections::HashMap;
use std::vec;

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

use super::words::{Term, terms, words};

/// How often a word, or a pair of a run, is in one text at most. No language has any as often, and whoever looks for a run
/// has all of its pairs compared place by place, in every text that has them.
const TIMES_MAX: usize = 1_000;

/// Cuts texts into what they are found by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cutter;

/// What is left of a text that is cut.
pub(super) struct Cut {
    rest: vec::IntoIter<Term>,
    token: Token,
}

impl Tokenizer for Cutter {
    type TokenStream<'a> = Cut;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Cut {
        let mut terms: Vec<Term> = terms(&words(text)).collect();
        if terms.len() > TIMES_MAX {
            let mut times: HashMap<String, usize> = HashMap::new();
            terms.retain(|term| {
                let times = times.entry(term.text.clone()).or_default();
                *times += 1;
                *times <= TIMES_MAX
            });
        }
        Cut { rest: terms.into_iter(), token: Token::default() }
    }
}

impl TokenStream for Cut {
    fn advance(&mut self) -> bool {
        let Some(Term { text, place }) = self.rest.next() else { return false };
        self.token = Token { text, position: place, ..Token::default() };
        true
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}
