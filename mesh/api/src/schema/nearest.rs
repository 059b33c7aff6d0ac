//! Which known names a misspelt one probably meant.

/// Names longer than this are no misspellings, and comparing them would cost.
const LONGEST: usize = 64;

/// Up to three candidates, nearest first, that are near enough to be what was meant.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    if name.len() > LONGEST {
        return Vec::new();
    }
    let mut ranked: Vec<(usize, &str)> = candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= LONGEST)
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= tolerance(name, candidate))
        .collect();
    ranked.sort_unstable();
    ranked.into_iter().take(3).map(|(_, candidate)| candidate.to_owned()).collect()
}

/// All candidates, nearest first.
pub fn ranked<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut ranked: Vec<(usize, usize, &str)> = candidates
        .into_iter()
        .enumerate()
        .map(|(index, candidate)| {
            let near = if name.len() > LONGEST { 0 } else { distance(name, candidate) };
            (near, index, candidate)
        })
        .collect();
    ranked.sort_unstable();
    ranked.into_iter().map(|(_, _, candidate)| candidate.to_owned()).collect()
}

/// A third of the letters may differ (of short names one: `port` is not `host`), and a name may be cut short.
fn tolerance(name: &str, candidate: &str) -> usize {
    let longer = name.len().max(candidate.len());
    if name.len() >= 3 && candidate.to_lowercase().starts_with(&name.to_lowercase()) {
        return longer;
    }
    if longer <= 4 { 1 } else { longer.div_ceil(3) }
}

/// Edits (insert, remove, replace, swap neighbours) between two names; case and `_`, `-` do not count.
fn distance(left: &str, right: &str) -> usize {
    let letters = |text: &str| -> Vec<char> {
        text.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect()
    };
    let (left, right) = (letters(left), letters(right));
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in right.iter().enumerate() {
            let replaced = above[j] + usize::from(a != b);
            let mut best = replaced.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && left[i - 1] == *b && right[j - 1] == *a {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant() {
        let known = ["route", "retries", "rewrite", "redirect", "match", "timeout"];
        assert_eq!(nearest("rout", known), ["route"]);
        assert_eq!(nearest("retry", known), ["retries"]);
        assert_eq!(nearest("mathc", known), ["match"]);
        assert_eq!(nearest("time_out", known), ["timeout"]);
        assert!(nearest("port", ["host"]).is_empty());
        assert!(nearest("colour", known).is_empty());
        assert!(nearest(&"x".repeat(1_000_000), known).is_empty());
    }

    #[test]
    fn ranks_all() {
        assert_eq!(ranked("MESH_INTERNET", ["MESH_EXTERNAL", "MESH_INTERNAL"])[0], "MESH_INTERNAL");
    }
}
