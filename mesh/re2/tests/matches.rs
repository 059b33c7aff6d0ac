//! What patterns match, where RE2 differs from what the `regex` crate would make of the same text. RE2 itself gave the answers.
#![allow(clippy::unwrap_used, reason = "tests say what they expect by unwrapping it")]

use mesh_re2::Re2;

#[test]
fn a_pattern_matches_what_it_does_in_re2() {
    for (pattern, matched, not_matched) in [
        ("ab|c", "ab", "abc"),
        (r"\w", "a", "é"),
        (r"\W+", "é", "a"),
        (r"\d", "3", "٣"),
        (r"\s", "\t", "\u{b}"),
        (r"[\W]", "-", "é"),
        (r"[^\W]", "_", "-"),
        (r"[\w-.]+", "a-.", "a,"),
        ("[[]", "[", "]"),
        ("[]a]", "]", "b"),
        ("[a&&b]", "&", "c"),
        ("[a-c--e]", "0", "f"),
        (r"a\b.*", "aé", "ab"),
        (r"\Qa.*\E+", "a.**", "abc"),
        ("{id}", "{id}", "id"),
        ("a{,3}", "a{,3}", "aa"),
        (r"\07", "\u{7}", "7"),
        (r"\<a", "<a", "a"),
        (r"\xc3\xa9", "é", "e"),
        ("é.", "éa", "éé"),
        ("(?i)k", "K", "\u{212a}"),
        (r"\p{^Lu}", "a", "A"),
        ("..", "é", "\n\n"),
        ("(?s).", "\n", "ab"),
        ("[^a]", "\n", "a"),
        ("(?:a|(?i)b)c", "Bc", "Ac"),
    ] {
        let compiled = Re2::new(pattern).unwrap();
        assert!(compiled.matches_whole(matched), "{pattern} does not match {matched:?}");
        assert!(!compiled.matches_whole(not_matched), "{pattern} matches {not_matched:?}");
    }
}

#[test]
fn groups_are_counted() {
    assert_eq!(Re2::new("(a)(?:b)(?P<c>d)").unwrap().groups(), 2);
}
