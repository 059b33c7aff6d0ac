//! The allocator of this program, and when it gives memory back.
//!
//! Thousands of streams allocate and free at once: `mimalloc` takes two fifths off the processor time of that (ADR 8). Left to itself it takes
//! arenas in whole; told to take of them only what is used, the control plane peaks lower by a tenth (docs/benchmarks.md). To give back what is
//! freed at once, and not after 10 ms, saves a little more and costs a fifth of the time. The variables `MIMALLOC_ARENA_EAGER_COMMIT` and
//! `MIMALLOC_PURGE_DELAY` still say otherwise.
#![allow(unsafe_code)]

use libmimalloc_sys::{mi_option_set_default, mi_option_t};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_arena_eager_commit` of `mimalloc.h`, which the bindings leave out: 0 commits what is used.
const ARENA_EAGER_COMMIT: mi_option_t = 4;

extern "C" fn set_options() {
    // SAFETY: it is an option of the version that is linked (a test reads it back); setting one stores a number, and there is no other
    // thread yet.
    unsafe { mi_option_set_default(ARENA_EAGER_COMMIT, 0) };
}

/// The first arena is made by the first allocation, and that comes before `main`.
#[used]
// SAFETY: the loader calls what is in this section, without arguments that it would need, before anything of Rust's runtime.
#[unsafe(link_section = ".init_array")]
static BEFORE_THE_FIRST_ALLOCATION: extern "C" fn() = set_options;

#[cfg(test)]
mod tests {
    use super::*;
    use libmimalloc_sys::mi_option_get;

    #[test]
    fn the_option_is_set_and_is_the_one_that_it_should_be() {
        // What follows it, with the value that this version has when nobody sets it: the numbers are those of `mimalloc.h`.
        const PURGE_DECOMMITS: mi_option_t = ARENA_EAGER_COMMIT + 1;
        let held = [ARENA_EAGER_COMMIT, PURGE_DECOMMITS]
            // SAFETY: reads a number.
            .map(|option| unsafe { mi_option_get(option) });
        assert_eq!(held, [0, 1]);
    }
}
