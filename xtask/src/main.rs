//! Development tasks: setup, gen, tidy, bless, bench.
fn main() {}
