//! Licences as crates write them: SPDX expressions.
//!
//! In: an expression, and which licences are allowed. Out: whether it can be kept to with these alone.

use anyhow::{Result, bail};

/// Whether the licences for which `allowed` holds are enough. Older crates write `/` for `OR`, and `+` is for later versions as well.
pub(super) fn satisfied(expression: &str, allowed: impl Fn(&str) -> bool) -> Result<bool> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut words: Vec<&str> = spaced.split_whitespace().rev().collect();
    let satisfied = any(&mut words, &allowed)?;
    match words.pop() {
        None => Ok(satisfied),
        Some(word) => bail!("`{word}` was not expected"),
    }
}

/// One side of an `OR` is enough. Words are taken from the end.
fn any(words: &mut Vec<&str>, allowed: &impl Fn(&str) -> bool) -> Result<bool> {
    let mut satisfied = all(words, allowed)?;
    while words.pop_if(|word| *word == "OR").is_some() {
        satisfied |= all(words, allowed)?;
    }
    Ok(satisfied)
}

/// Both sides of an `AND` are needed.
fn all(words: &mut Vec<&str>, allowed: &impl Fn(&str) -> bool) -> Result<bool> {
    let mut satisfied = one(words, allowed)?;
    while words.pop_if(|word| *word == "AND").is_some() {
        satisfied &= one(words, allowed)?;
    }
    Ok(satisfied)
}

fn one(words: &mut Vec<&str>, allowed: &impl Fn(&str) -> bool) -> Result<bool> {
    let Some(word) = words.pop() else { bail!("a licence is missing") };
    match word {
        "(" => {
            let satisfied = any(words, allowed)?;
            match words.pop() {
                Some(")") => Ok(satisfied),
                _ => bail!("a bracket is not closed"),
            }
        }
        ")" | "OR" | "AND" | "WITH" => bail!("a licence is missing before `{word}`"),
        licence => {
            let licence = licence.trim_end_matches('+');
            let exception = words.pop_if(|word| *word == "WITH").and_then(|_| words.pop());
            Ok(match exception {
                Some(exception) => allowed(&format!("{licence} WITH {exception}")),
                None => allowed(licence),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn and_binds_more_than_or() {
        let allowed = |id: &str| matches!(id, "MIT" | "ISC" | "Apache-2.0 WITH LLVM-exception" | "MPL-2.0");
        for expression in [
            "MIT",
            "GPL-3.0 OR MIT",
            "GPL-3.0/MIT",
            "GPL-3.0 AND GPL-2.0 OR MIT",
            "MIT AND (ISC OR GPL-3.0)",
            "Apache-2.0 WITH LLVM-exception OR GPL-3.0",
            "MPL-2.0+",
        ] {
            assert!(satisfied(expression, allowed).unwrap(), "{expression}");
        }
        for expression in ["GPL-3.0", "MIT AND GPL-3.0", "Apache-2.0", "(MIT OR ISC) AND GPL-3.0"] {
            assert!(!satisfied(expression, allowed).unwrap(), "{expression}");
        }
        for expression in ["", "MIT OR", "(MIT", "MIT ISC", "MIT )", "AND MIT"] {
            assert!(satisfied(expression, allowed).is_err(), "{expression}");
        }
    }
}
