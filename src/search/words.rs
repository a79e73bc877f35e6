//! How a text is cut into the words that it is found by.
//!
//! Texts and queries are cut in the same way. First they are folded: case, accents, the pointing of Hebrew and Arabic and
//! widths do not count. Then everything that is neither a letter nor a digit divides words. Where a script puts
//! no spaces between words, or not between all, a run of its characters is found by every pair of neighbours, so that what
//! is looked for may stand anywhere in it.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Characters of a word that count, and of a run that is looked for. No word is as long; what is, is found by its
/// beginning.
const WORD_CHARS_MAX: usize = 64;

/// A word of a text, folded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// One with something that divides before and after it.
    Spaced(String),
    /// Characters of scripts that do not divide words, or not always.
    Run(Vec<char>),
}

/// What a word is found by, and its place among all of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Term {
    pub(super) text: String,
    pub(super) place: usize,
}

impl Word {
    /// The word as it is looked for.
    pub(super) fn cut(self) -> Self {
        match self {
            Word::Run(mut run) => {
                run.truncate(WORD_CHARS_MAX);
                Word::Run(run)
            }
            spaced @ Word::Spaced(_) => spaced,
        }
    }

    /// What it is found by, in its order. Of a run every pair of neighbours, and its last character, so that each
    /// character begins something.
    pub(super) fn terms(&self) -> Vec<String> {
        match self {
            Word::Spaced(word) => vec![word.clone()],
            Word::Run(run) => {
                let pairs = run.windows(2).map(|pair| pair.iter().collect());
                pairs.chain(run.last().map(ToString::to_string)).collect()
            }
        }
    }
}

/// The words of a text.
pub(super) fn words(text: &str) -> Vec<Word> {
    let folded = fold(text);
    let mut words = Vec::new();
    for part in folded.split(|char| !is_of_word(char)).filter(|part| !part.is_empty()) {
        let chars: Vec<char> = part.chars().collect();
        for chars in chars.chunk_by(|one, other| is_unspaced(*one) == is_unspaced(*other)) {
            words.push(if chars.first().copied().is_some_and(is_unspaced) {
                Word::Run(chars.to_vec())
            } else {
                Word::Spaced(chars.iter().take(WORD_CHARS_MAX).collect())
            });
        }
    }
    words
}

/// What the words of a text are found by, with their places.
pub(super) fn terms(words: &[Word]) -> impl Iterator<Item = Term> + '_ {
    let all = words.iter().flat_map(Word::terms);
    all.enumerate().map(|(place, text)| Term { text, place })
}

/// A text without what does not count.
fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for lower in text.nfkd().filter(|char| !is_dropped(*char)).flat_map(char::to_lowercase) {
        match spelt(lower) {
            Some(letters) => folded.push_str(letters),
            None => folded.push(single(lower)),
        }
    }
    folded.nfc().collect()
}

fn is_of_word(char: char) -> bool {
    // Apostrophes that Unicode has as letters are typed as those that it has as signs.
    let is_apostrophe = matches!(char, '\u{2b9}'..='\u{2bf}');
    (char.is_alphanumeric() && !is_apostrophe) || is_combining_mark(char)
}

/// Marks that say how something is pronounced or stressed, and what cannot be seen.
fn is_dropped(char: char) -> bool {
    matches!(char,
        // Accents.
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{487}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20f0}'
        // The points of Hebrew. The maqaf among them divides words.
        | '\u{591}'..='\u{5bd}' | '\u{5bf}' | '\u{5c1}' | '\u{5c2}' | '\u{5c4}' | '\u{5c5}' | '\u{5c7}'
        // Those of Arabic, the hamza on other letters, and what only makes a word longer.
        | '\u{610}'..='\u{61a}' | '\u{640}' | '\u{64b}'..='\u{65f}' | '\u{670}' | '\u{6d6}'..='\u{6dc}' | '\u{6df}'..='\u{6e4}'
        | '\u{6e7}' | '\u{6e8}' | '\u{6ea}'..='\u{6ed}'
        // Hyphens and joiners that cannot be seen, directions, and how an emoji looks.
        | '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        // Which variant of a Mongolian letter or of a Han character is drawn, and accents over two letters.
        | '\u{180b}'..='\u{180f}' | '\u{e0100}'..='\u{e01ef}' | '\u{fe20}'..='\u{fe2f}')
}

/// A letter as those spell it who do not have it on their keyboards.
fn spelt(lower: char) -> Option<&'static str> {
    match lower {
        'ß' => Some("ss"),
        'æ' => Some("ae"),
        'œ' => Some("oe"),
        'þ' => Some("th"),
        _ => None,
    }
}

/// One letter for another that is its variant.
fn single(lower: char) -> char {
    match lower {
        'ı' | 'ɨ' => 'i',
        'ø' => 'o',
        'ł' => 'l',
        'đ' | 'ð' | 'ɖ' => 'd',
        'ħ' => 'h',
        'ŧ' => 't',
        'ŋ' => 'n',
        'ς' => 'σ',
        // The alef of the article, and letters that Persian and Urdu write in another way.
        'ٱ' => 'ا',
        'ة' | 'ہ' | 'ە' | 'ھ' => 'ه',
        'ى' | 'ی' | 'ې' => 'ي',
        'ک' => 'ك',
        lower => digit(lower),
    }
}

/// A digit of any script as that of ASCII.
fn digit(char: char) -> char {
    /// Where the digits of scripts begin that have their own.
    const ZEROS: [char; 24] = [
        '٠', '۰', '߀', '०', '০', '੦', '૦', '୦', '௦', '౦', '೦', '൦', '෦', '๐', '໐', '༠', '၀', '០', '᠐', '᭐',
        '᮰', '᱐', '꧐', '꯰',
    ];
    let value = |zero: char| u32::from(char).checked_sub(u32::from(zero)).filter(|value| *value < 10);
    ZEROS.into_iter().find_map(value).and_then(|value| char::from_digit(value, 10)).unwrap_or(char)
}

/// Whether a character is of a script whose words are not always divided.
fn is_unspaced(char: char) -> bool {
    matches!(u32::from(char),
        // Thai and Lao, Myanmar, Khmer.
        0xe00..=0xeff | 0x1000..=0x109f | 0x1780..=0x17ff | 0xa9e0..=0xa9ff | 0xaa60..=0xaa7f
        // Hangul: compounds are written with and without spaces, and particles without.
        | 0x1100..=0x11ff | 0xac00..=0xd7ff
        // Kana, Bopomofo, Han.
        | 0x3005..=0x3007 | 0x3021..=0x302f | 0x3031..=0x318f | 0x31a0..=0x31bf | 0x31f0..=0x31ff
        | 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff | 0x1b000..=0x1b16f | 0x20000..=0x3ffff)
}

#[cfg(test)]
mod tests {
    use super::{Word, terms, words};

    fn shown(text: &str) -> Vec<String> {
        let shown = |word: Word| match word {
            Word::Spaced(word) => word,
            Word::Run(run) => format!("[{}]", run.iter().collect::<String>()),
        };
        words(text).into_iter().map(shown).collect()
    }

    #[test]
    fn what_does_not_count_is_folded_away() {
        for (text, folded) in [
            ("Rust MEETUP", vec!["rust", "meetup"]),
            ("Café crème, l'été", vec!["cafe", "creme", "l", "ete"]),
            ("Straße STRASSE ẞ", vec!["strasse", "strasse", "ss"]),
            ("İstanbul ISTANBUL ıslak", vec!["istanbul", "istanbul", "islak"]),
            ("Łódź Øresund Þingvellir Ærø Œuvre", vec!["lodz", "oresund", "thingvellir", "aero", "oeuvre"]),
            ("ΟΔΟΣ οδός", vec!["οδοσ", "οδοσ"]),
            ("Ёлка и Йога", vec!["елка", "и", "иога"]),
            ("שָׁלוֹם־עֲלֵיכֶם", vec!["שלום", "עליכם"]),
            ("مُحَاضَرَةٌ أَدَبِيَّـــة", vec!["محاضره", "ادبيه"]),
            ("کتاب‌خوانی ۱۲۳ ٤٥", vec!["كتابخواني", "123", "45"]),
            ("൧൨ ౩౪ ೫ ୬ ៧ ᠘ ߉", vec!["12", "34", "5", "6", "7", "8", "9"]),
            // The apostrophe that is a letter to Unicode is written as others are.
            ("пʼять п'ять п’ять Hawaiʻi", vec!["п", "ять", "п", "ять", "п", "ять", "hawai", "i"]),
            ("Ｒｕｓｔ　２０２６ ﬁn", vec!["rust", "2026", "fin"]),
            ("हिन्दी कविता", vec!["हिन्दी", "कविता"]),
            (
                "node.js C++ .NET 3D-Druck snake_case",
                vec!["node", "js", "c", "net", "3d", "druck", "snake", "case"],
            ),
            ("soft\u{ad}ly \u{202e}left\u{202c} zero\u{200b}width", vec!["softly", "left", "zerowidth"]),
            ("a\0b 🎉 — …", vec!["a", "b"]),
            ("", vec![]),
            (" \u{301}\u{200f} ", vec![]),
        ] {
            assert_eq!(shown(text), folded, "{text}");
        }
    }

    #[test]
    fn scripts_without_spaces_are_runs() {
        for (text, folded) in [
            ("東京タワーで会う", vec!["[東京タワーで会う]"]),
            ("ｶﾞｲﾄﾞ ガイド", vec!["[ガイド]", "[ガイド]"]),
            ("Rust勉強会2026", vec!["rust", "[勉強会]", "2026"]),
            ("서울에서 모임", vec!["[서울에서]", "[모임]"]),
            ("งานหนังสือ กรุงเทพ", vec!["[งานหนังสือ]", "[กรุงเทพ]"]),
            ("読書・茶会", vec!["[読書]", "[茶会]"]),
            // How a character is drawn does not count, and what stands on one is part of it.
            ("葛\u{e0100}城市", vec!["[葛城市]"]),
            ("방\u{302e}점", vec!["[방\u{302e}점]"]),
        ] {
            assert_eq!(shown(text), folded, "{text}");
        }
    }

    #[test]
    fn each_character_of_a_run_begins_a_term() {
        let found: Vec<(String, usize)> =
            terms(&words("日本語 day 茶")).map(|term| (term.text, term.place)).collect();
        let expected = [("日本", 0), ("本語", 1), ("語", 2), ("day", 3), ("茶", 4)];
        assert_eq!(found, expected.map(|(text, place)| (text.to_owned(), place)));
    }

    #[test]
    fn words_of_any_length_end_somewhere() {
        assert_eq!(shown(&"x".repeat(100_000)), ["x".repeat(64)]);
    }
}
