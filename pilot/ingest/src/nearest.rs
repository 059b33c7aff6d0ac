//! The word that was probably meant.

/// The nearest of `words` to `text`, if one is near enough that it is worth saying.
pub fn nearest<'a>(text: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (text.chars().count() / 3).max(1);
    words
        .map(|word| (distance(text, word), word))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, word)| word)
}

/// Levenshtein's distance, letters of either case being alike.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().map(|character| character.to_ascii_lowercase()).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, b) in right.iter().enumerate() {
            let change = diagonal + usize::from(a.to_ascii_lowercase() != *b);
            diagonal = row[column + 1];
            row[column + 1] = change.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_slips_and_nothing_else() {
        let words = ["connectTimeout", "rootNamespace"];
        assert_eq!(nearest("conectTimeout", words.into_iter()), Some("connectTimeout"));
        assert_eq!(nearest("connecttimeout", words.into_iter()), Some("connectTimeout"));
        assert_eq!(nearest("banana", words.into_iter()), None);
    }
}
