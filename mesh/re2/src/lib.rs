//! RE2, the regular expressions of Envoy and Istio: which patterns it takes, and what they match.
//!
//! In: a pattern. Out: [`Re2`], or why RE2 refuses it. The `regex` crate does the matching; its syntax differs in what `\w` is, what may stand in
//! brackets, and which escapes there are, so that a pattern is read as RE2 reads it and written anew for it (ADR 34).
//!
//! Envoy's RE2 knows bytes, not characters (RE2's encoding Latin-1): `.` is one byte, and `é` two things, of which `+` repeats the second. Here
//! each byte becomes the character of its number, in patterns and in what they are compared with.
//!
//! What RE2 takes and Go's `regexp` does not (`\C`) is refused: Istio's webhook refuses it.

mod class;
mod escape;
mod translate;

use std::fmt;

use regex::bytes::{Regex, RegexBuilder};

/// RE2's bound on the instructions of a program in an Envoy (`re2.max_program_size.error_level` in the bootstraps of ours and of Istio), which
/// are counted here about as RE2 makes them.
const MAX_PROGRAM: u32 = 32_768;
/// Memory that a compiled pattern may take here, in bytes: more than any has that is within the bound above.
const MAX_MEMORY: usize = 32 << 20;

/// A compiled pattern.
#[derive(Clone, Debug)]
pub struct Re2 {
    whole: Regex,
    groups: usize,
}

impl Re2 {
    /// Compiles `pattern` if RE2 would.
    pub fn new(pattern: &str) -> Result<Self, Error> {
        let (translated, groups) = translate::translate(&latin1(pattern))?;
        // Parentheses nest no deeper than a pattern is long, and whoever takes patterns bounds that.
        let nest = u32::try_from(pattern.len()).unwrap_or(u32::MAX).saturating_add(8);
        let mut builder = RegexBuilder::new(&format!(r"\A(?:{translated})\z"));
        match builder.size_limit(MAX_MEMORY).nest_limit(nest).build() {
            Ok(whole) => Ok(Self { whole, groups }),
            Err(regex::Error::CompiledTooBig(_)) => Err(Error::TooBig),
            Err(error) => {
                let text = error.to_string();
                let line = text.lines().last().unwrap_or_default().trim();
                Err(Error::Other(line.trim_start_matches("error: ").to_owned()))
            }
        }
    }

    /// Whether all of `text` matches, which is what Envoy asks of paths, headers and query parameters.
    pub fn matches_whole(&self, text: &str) -> bool {
        self.whole.is_match(latin1(text).as_bytes())
    }

    /// How many groups it captures, without the whole.
    pub fn groups(&self) -> usize {
        self.groups
    }
}

/// A character for each byte.
fn latin1(text: &str) -> String {
    text.bytes().map(char::from).collect()
}

/// Why RE2 refuses a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// `(` without `)`.
    UnclosedGroup,
    /// `)` without `(`.
    UnopenedGroup,
    /// `[` without `]`.
    UnclosedClass,
    /// `[z-a]`, `[[:foo:]]`, `\p{Foo}`.
    BadClass(String),
    /// Nothing stands before `*`, `+`, `?` or `{2}`.
    NothingToRepeat(String),
    /// `a**`, `a{2}{3}`.
    RepeatedRepetition(String),
    /// `a{1001}`, `(a{40}){40}`: more than [`MAX_REPEAT`].
    TooManyRepetitions,
    /// `a{3,2}`.
    BadCounts(String),
    /// The pattern ends with a backslash.
    TrailingBackslash,
    /// `\q`.
    UnknownEscape(String),
    /// `\1`.
    BackReference(String),
    /// `(?=`, `(?<!`.
    LookAround(String),
    /// `(?x)`.
    UnknownFlag(String),
    /// `(?P<a.b>x)`.
    BadGroupName(String),
    /// The compiled program is too big.
    TooBig,
    /// What the `regex` crate says of it.
    Other(String),
}

/// RE2's bound on repetitions, also of those of repetitions.
pub const MAX_REPEAT: u32 = 1000;

impl Error {
    /// What to write instead.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::UnclosedGroup => "close it with `)`, or write `\\(` for a parenthesis that is meant itself",
            Self::UnopenedGroup => "open it with `(`, or write `\\)` for a parenthesis that is meant itself",
            Self::UnclosedClass => "close it with `]`, or write `\\[` for a bracket that is meant itself",
            Self::BadClass(_) => {
                "write the lower end of a range first, as in [a-z], and names as RE2 has them"
            }
            Self::NothingToRepeat(_) => {
                "write `.*` for any text, and `\\*`, `\\+` or `\\?` for a sign that is meant itself"
            }
            Self::RepeatedRepetition(_) => "leave one of the two out, or put what is repeated in parentheses",
            Self::TooManyRepetitions | Self::TooBig => {
                "large repetition counts such as {1000} multiply; use + or *"
            }
            Self::BadCounts(_) => "write a count such as {2,3}, or `\\{` for a brace that is meant itself",
            Self::TrailingBackslash | Self::UnknownEscape(_) => {
                "write `\\\\` for a backslash that is meant itself"
            }
            Self::BackReference(_) | Self::LookAround(_) => {
                "the syntax is RE2, which has no look-around and no back-references"
            }
            Self::UnknownFlag(_) => "the flags are i, m, s and U",
            Self::BadGroupName(_) => "a name has letters, digits and underscores; `(` without a name will do",
            Self::Other(_) => "the syntax is RE2: https://github.com/google/re2/wiki/Syntax",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnclosedGroup => f.write_str("unclosed group"),
            Self::UnopenedGroup => f.write_str("unopened group"),
            Self::UnclosedClass => f.write_str("unclosed character class"),
            Self::BadClass(what) => write!(f, "invalid character class `{what}`"),
            Self::NothingToRepeat(what) => write!(f, "nothing stands before `{what}` that it could repeat"),
            Self::RepeatedRepetition(what) => write!(f, "a repetition of a repetition, `{what}`"),
            Self::TooManyRepetitions => write!(f, "a repetition of more than {MAX_REPEAT}"),
            Self::BadCounts(what) => write!(f, "invalid repetition counts `{what}`"),
            Self::TrailingBackslash => f.write_str("a backslash at the end"),
            Self::UnknownEscape(what) => write!(f, "the escape `{what}`, which RE2 does not know"),
            Self::BackReference(what) => write!(f, "the back-reference `{what}`"),
            Self::LookAround(what) => write!(f, "the look-around `{what}`"),
            Self::UnknownFlag(what) => write!(f, "the flag `{what}`, which RE2 does not know"),
            Self::BadGroupName(what) => write!(f, "the group name `{what}`"),
            Self::TooBig => f.write_str("too big when compiled"),
            Self::Other(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Error {}
