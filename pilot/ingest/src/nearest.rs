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

/// Levenshtein's distance, letters of either case being alike; two neighbours that changed places are one slip.
fn distance(left: &str, right: &str) -> usize {
    let letters = |text: &str| text.chars().map(|letter| letter.to_ascii_lowercase()).collect();
    let (left, right): (Vec<char>, Vec<char>) = (letters(left), letters(right));
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for line in 0..left.len() {
        let mut next = vec![line + 1];
        for column in 0..right.len() {
            let change = row[column] + usize::from(left[line] != right[column]);
            let mut least = change.min(row[column + 1] + 1).min(next[column] + 1);
            let swapped =
                line > 0 && column > 0 && left[line] == right[column - 1] && left[line - 1] == right[column];
            if swapped {
                least = least.min(before[column - 1] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
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
        assert_eq!(nearest("wbe", ["web", "api"].into_iter()), Some("web"));
        assert_eq!(nearest("bew", ["web", "api"].into_iter()), None);
    }
}
