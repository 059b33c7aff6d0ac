//! The rules of this tree hold.

#[test]
fn the_tree_is_tidy() {
    let report = xtask::tidy::check(&xtask::tidy::workspace_root()).unwrap();
    let violations: Vec<_> = report.violations.iter().map(ToString::to_string).collect();
    assert!(violations.is_empty(), "`cargo xtask tidy` shows the same:\n{}", violations.join("\n"));
}
