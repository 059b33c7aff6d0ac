//! A pattern in RE2's syntax, written anew in that of the `regex` crate.
//!
//! In: a pattern. Out: one that matches the same, or why RE2 refuses it.

use crate::{Error, MAX_PROGRAM, MAX_REPEAT, class, escape};

/// See the module. With it comes how many groups the pattern captures.
pub fn translate(pattern: &str) -> Result<(String, usize), Error> {
    let mut translation = Translation { rest: pattern, ..Translation::default() };
    while let Some(character) = translation.rest.chars().next() {
        translation.step(character)?;
    }
    if !translation.open.is_empty() {
        return Err(Error::UnclosedGroup);
    }
    translation.push("", "", Before::Nothing);
    if translation.here.cost.size > MAX_PROGRAM {
        return Err(Error::TooBig);
    }
    Ok((translation.out, translation.groups))
}

/// What is there to be repeated.
#[derive(Clone, Copy, Default)]
enum Before<'a> {
    #[default]
    Nothing,
    /// One thing, with what it holds in itself.
    Atom(Cost),
    /// A repetition, as it is written.
    Repetition(&'a str),
}

#[derive(Default)]
struct Translation<'a> {
    rest: &'a str,
    out: String,
    before: Before<'a>,
    here: Within,
    /// What encloses it, outermost first.
    open: Vec<Within>,
    groups: usize,
}

/// What RE2 bounds.
#[derive(Clone, Copy)]
struct Cost {
    /// The most that repetitions multiply to.
    repeats: u32,
    /// About as many instructions of a program.
    size: u32,
}

impl Cost {
    const NOTHING: Self = Self::of(0);

    /// Of so many instructions, without repetitions.
    const fn of(size: u32) -> Self {
        Self { repeats: 1, size }
    }

    fn with(self, other: Self) -> Self {
        Self { repeats: self.repeats.max(other.repeats), size: self.size.saturating_add(other.size) }
    }
}

/// What holds within a group, or outside of all.
#[derive(Clone, Copy)]
struct Within {
    /// Of what was read of it, without the thing that may still be repeated.
    cost: Cost,
    /// The flag `s`: whether `.` takes a line's end.
    line_ends: bool,
}

impl Default for Within {
    fn default() -> Self {
        Self { cost: Cost::NOTHING, line_ends: false }
    }
}

impl<'a> Translation<'a> {
    /// Reads what begins with `character`.
    fn step(&mut self, character: char) -> Result<(), Error> {
        let (here, after) = (self.rest, &self.rest[character.len_utf8()..]);
        match character {
            '*' | '+' | '?' => self.repeat(after, 1, &here[..1])?,
            '{' => match counts(here) {
                Some((least, most, after)) => {
                    let text = &here[..here.len() - after.len()];
                    if least.max(most.unwrap_or(0)) > MAX_REPEAT {
                        return Err(Error::TooManyRepetitions);
                    }
                    if most.is_some_and(|most| most < least) {
                        return Err(Error::BadCounts(text.to_owned()));
                    }
                    self.repeat(after, most.unwrap_or(least).max(1), text)?;
                }
                None => self.atom(after, &escape::literal('{')),
            },
            '(' => self.open(after)?,
            ')' => {
                self.push(after, ")", Before::Nothing);
                let group = self.here.cost.with(Cost::of(2));
                self.here = self.open.pop().ok_or(Error::UnopenedGroup)?;
                self.before = Before::Atom(group);
            }
            '|' => {
                self.push(after, "|", Before::Nothing);
                self.here.cost = self.here.cost.with(Cost::of(1));
            }
            '[' => {
                let (class, after) = class::class(after)?;
                self.push(after, &class.text, Before::Atom(Cost::of(class.ranges)));
            }
            '\\' if after.starts_with('Q') => {
                let (text, after) = after[1..].split_once(r"\E").unwrap_or((&after[1..], ""));
                text.chars().for_each(|character| self.atom(after, &escape::literal(character)));
                self.rest = after;
            }
            '\\' => {
                let (text, after) = escape::outside(after)?;
                self.atom(after, &text);
            }
            '.' => self.atom(after, if self.here.line_ends { escape::ANY } else { escape::ANY_BUT_LINE_END }),
            '^' | '$' => self.atom(after, &here[..1]),
            other => self.atom(after, &escape::literal(other)),
        }
        Ok(())
    }

    fn push(&mut self, rest: &'a str, text: &str, before: Before<'a>) {
        if let Before::Atom(cost) = self.before {
            self.here.cost = self.here.cost.with(cost);
        }
        self.rest = rest;
        self.out.push_str(text);
        self.before = before;
    }

    fn atom(&mut self, rest: &'a str, text: &str) {
        self.push(rest, text, Before::Atom(Cost::of(1)));
    }

    /// `text` repeats what is before it up to `times`.
    fn repeat(&mut self, after: &'a str, times: u32, text: &'a str) -> Result<(), Error> {
        match self.before {
            Before::Nothing => return Err(Error::NothingToRepeat(text.to_owned())),
            Before::Repetition(first) => {
                return Err(Error::RepeatedRepetition(format!("{first}{text}")));
            }
            Before::Atom(Cost { repeats, size }) => {
                let cost = Cost {
                    repeats: repeats.saturating_mul(times),
                    size: size.saturating_mul(times).saturating_add(1),
                };
                if cost.repeats > MAX_REPEAT {
                    return Err(Error::TooManyRepetitions);
                }
                self.here.cost = self.here.cost.with(cost);
                self.before = Before::Nothing;
            }
        }
        let lazy = after.strip_prefix('?');
        self.push(lazy.unwrap_or(after), text, Before::Repetition(text));
        if lazy.is_some() {
            self.out.push('?');
        }
        Ok(())
    }

    /// What follows `(`.
    fn open(&mut self, after: &'a str) -> Result<(), Error> {
        let Some(special) = after.strip_prefix('?') else {
            self.capture(after);
            return Ok(());
        };
        let named = special.strip_prefix("P<").or_else(|| special.strip_prefix('<'));
        if ["=", "!", "<=", "<!"].iter().any(|look| special.starts_with(look)) {
            let length = if special.starts_with('<') { 2 } else { 1 };
            return Err(Error::LookAround(format!("(?{}", &special[..length])));
        }
        if let Some(named) = named {
            let (name, after) = named.split_once('>').ok_or(Error::BadGroupName(named.to_owned()))?;
            let fits =
                !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            if !fits {
                return Err(Error::BadGroupName(name.to_owned()));
            }
            // Captured by its number: names are for people.
            self.capture(after);
            return Ok(());
        }
        let end = special.find([':', ')']).ok_or(Error::UnclosedGroup)?;
        let (flags, rest) = special.split_at(end);
        if let Some(unknown) = flags.chars().find(|flag| !"imsU-".contains(*flag)) {
            return Err(Error::UnknownFlag(unknown.to_string()));
        }
        let (set, cleared) = flags.split_once('-').unwrap_or((flags, ""));
        if flags.ends_with('-') || cleared.contains('-') {
            return Err(Error::UnknownFlag(flags.to_owned()));
        }
        let outside = self.here;
        self.here.line_ends = (outside.line_ends || set.contains('s')) && !cleared.contains('s');
        // One that is there twice is no error in RE2, and `s` is minded here.
        let mut flags = once(set);
        if !once(cleared).is_empty() {
            flags = format!("{flags}-{}", once(cleared));
        }
        if let Some(after) = rest.strip_prefix(':') {
            self.enter(after, &format!("(?{flags}:"), outside);
        } else {
            let text = if flags.is_empty() { String::new() } else { format!("(?{flags})") };
            self.push(&rest[1..], &text, Before::Nothing);
        }
        Ok(())
    }

    fn capture(&mut self, after: &'a str) {
        self.groups += 1;
        self.enter(after, "(", self.here);
    }

    /// Begins a group in `outside`.
    fn enter(&mut self, after: &'a str, text: &str, mut outside: Within) {
        self.push(after, text, Before::Nothing);
        outside.cost = std::mem::replace(&mut self.here.cost, Cost::NOTHING);
        self.open.push(outside);
    }
}

/// Each of `flags` once, but `s`.
fn once(flags: &str) -> String {
    "imU".chars().filter(|flag| flags.contains(*flag)).collect()
}

/// `{2}`, `{2,}` or `{2,3}` at the beginning of `text`, and what follows. Anything else is a brace like any character.
fn counts(text: &str) -> Option<(u32, Option<u32>, &str)> {
    let (least, after) = count(text.strip_prefix('{')?)?;
    if let Some(after) = after.strip_prefix('}') {
        return Some((least, Some(least), after));
    }
    let after = after.strip_prefix(',')?;
    if let Some(after) = after.strip_prefix('}') {
        return Some((least, None, after));
    }
    let (most, after) = count(after)?;
    Some((least, Some(most), after.strip_prefix('}')?))
}

/// RE2 takes no zeros in front. More than fits is more than is allowed.
fn count(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (digits, after) = text.split_at(end);
    let leading = digits.len() > 1 && digits.starts_with('0');
    (!digits.is_empty() && !leading).then(|| (digits.parse().unwrap_or(u32::MAX), after))
}
