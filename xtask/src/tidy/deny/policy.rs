//! deny.toml, as far as its rules are held here.
//!
//! In: its text. Out: the rules. Reads the TOML that the file is written in (tables, strings, lists, inline tables) and says so of any other.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};

/// The rules.
#[derive(Debug, Default)]
pub(super) struct Policy {
    /// Platforms whose dependencies count.
    pub targets: Vec<String>,
    /// Crates that must not be there, each with why.
    pub banned: BTreeMap<String, String>,
    /// Whether each dependency has to name a version.
    pub denies_wildcards: bool,
    licences: BTreeSet<String>,
    exceptions: BTreeMap<String, BTreeSet<String>>,
}

impl Policy {
    pub fn parse(text: &str) -> Result<Self> {
        let mut values = read(text)?;
        let mut take = |key: &str| values.remove(key).with_context(|| format!("deny.toml has no {key}"));
        let mut policy = Self {
            targets: take("graph.targets")?.strings()?,
            licences: take("licenses.allow")?.strings()?.into_iter().collect(),
            denies_wildcards: take("bans.wildcards")?.string()? == "deny",
            ..Self::default()
        };
        for entry in take("licenses.exceptions")?.list()? {
            let mut fields = entry.fields()?;
            let mut field =
                |name: &str| fields.remove(name).with_context(|| format!("an exception has no {name}"));
            let (name, allow) = (field("crate")?.string()?, field("allow")?.strings()?);
            policy.exceptions.insert(name, allow.into_iter().collect());
        }
        for entry in take("bans.deny")?.list()? {
            let mut fields = entry.fields()?;
            let mut field = |name: &str| fields.remove(name).with_context(|| format!("a ban has no {name}"));
            policy.banned.insert(field("crate")?.string()?, field("reason")?.string()?);
        }
        for key in ["sources.unknown-registry", "sources.unknown-git"] {
            ensure!(take(key)?.string()? == "deny", "{key} is not \"deny\": only crates.io is held here");
        }
        Ok(policy)
    }

    /// Licences that a crate may have.
    pub fn allowed(&self, name: &str) -> BTreeSet<&str> {
        let exceptions = self.exceptions.get(name).into_iter().flatten();
        self.licences.iter().chain(exceptions).map(String::as_str).collect()
    }
}

/// A value. Of numbers and booleans nothing is asked here.
#[derive(Debug)]
enum Value {
    String(String),
    List(Vec<Value>),
    Fields(BTreeMap<String, Value>),
    Other,
}

impl Value {
    fn string(self) -> Result<String> {
        match self {
            Self::String(text) => Ok(text),
            other => bail!("{other:?} is no string"),
        }
    }

    fn list(self) -> Result<Vec<Value>> {
        match self {
            Self::List(items) => Ok(items),
            other => bail!("{other:?} is no list"),
        }
    }

    fn strings(self) -> Result<Vec<String>> {
        self.list()?.into_iter().map(Self::string).collect()
    }

    fn fields(self) -> Result<BTreeMap<String, Value>> {
        match self {
            Self::Fields(fields) => Ok(fields),
            other => bail!("{other:?} is no table"),
        }
    }
}

/// All values, by table and key.
fn read(text: &str) -> Result<BTreeMap<String, Value>> {
    let mut values = BTreeMap::new();
    let mut table = String::new();
    let mut rest = Text(text);
    while let Some(first) = rest.peek() {
        if first == '[' {
            let (name, after) = rest.0[1..].split_once(']').context("a table's name is not closed")?;
            table = format!("{name}.");
            rest = Text(after);
            continue;
        }
        let (key, value) = rest.pair()?;
        values.insert(format!("{table}{key}"), value);
    }
    Ok(values)
}

/// What is left to be read.
struct Text<'a>(&'a str);

impl<'a> Text<'a> {
    /// The next character that is neither space nor comment.
    fn peek(&mut self) -> Option<char> {
        loop {
            self.0 = self.0.trim_start();
            match self.0.strip_prefix('#') {
                Some(comment) => self.0 = comment.split_once('\n').map_or("", |(_, after)| after),
                None => return self.0.chars().next(),
            }
        }
    }

    /// Whether `wanted` comes next; then it is taken.
    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.0 = &self.0[wanted.len_utf8()..];
        }
        found
    }

    fn pair(&mut self) -> Result<(&'a str, Value)> {
        let (key, after) = self.0.split_once('=').with_context(|| format!("no `=` after {:?}", self.0))?;
        self.0 = after;
        Ok((key.trim(), self.value()?))
    }

    fn value(&mut self) -> Result<Value> {
        if self.take('"') {
            let (text, after) = self.0.split_once('"').context("a string is not closed")?;
            ensure!(!text.contains('\\'), "`{text}` has an escape, which is not read here");
            self.0 = after;
            return Ok(Value::String(text.to_owned()));
        }
        if self.take('[') {
            let mut items = Vec::new();
            while !self.take(']') {
                items.push(self.value()?);
                ensure!(self.take(',') || self.peek() == Some(']'), "a list goes on with {:?}", self.peek());
            }
            return Ok(Value::List(items));
        }
        if self.take('{') {
            let mut fields = BTreeMap::new();
            while !self.take('}') {
                self.peek();
                let (key, value) = self.pair()?;
                fields.insert(key.to_owned(), value);
                ensure!(self.take(',') || self.peek() == Some('}'), "a table goes on with {:?}", self.peek());
            }
            return Ok(Value::Fields(fields));
        }
        self.peek();
        let end = self.0.find(|c: char| !c.is_ascii_alphanumeric() && c != '.').unwrap_or(self.0.len());
        ensure!(end > 0, "a value begins with {:?}", self.peek());
        self.0 = &self.0[end..];
        Ok(Value::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_or_is_missing_is_an_error() {
        for text in ["", "[graph]\ntargets = [\"a\"", "[graph]\ntargets = 'a'", "[graph]\ntargets"] {
            assert!(Policy::parse(text).is_err(), "{text}");
        }
    }
}
