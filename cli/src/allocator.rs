//! The allocator of this program, and when it gives memory back.
//!
//! Thousands of streams allocate and free at once: `mimalloc` takes two fifths off the processor time of that (ADR 8). Left to itself it takes
//! arenas in whole; told to take of them only what is used, and to give back what is freed at once and not after 10 ms, the control plane peaks lower by
//! a fifth (docs/benchmarks.md). The variables `MIMALLOC_ARENA_EAGER_COMMIT` and `MIMALLOC_PURGE_DELAY` still say otherwise.
#![allow(unsafe_code)]

use libmimalloc_sys::{mi_option_set_default, mi_option_t};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_arena_eager_commit` of `mimalloc.h`, which the bindings leave out: 0 commits what is used.
const ARENA_EAGER_COMMIT: mi_option_t = 4;
/// `mi_option_purge_delay`, in milliseconds: 0 gives back at once.
const PURGE_DELAY: mi_option_t = 15;

extern "C" fn set_options() {
    for option in [ARENA_EAGER_COMMIT, PURGE_DELAY] {
        // SAFETY: they are options of the version that is linked (a test reads them back); setting one stores a number, and there is no
        // other thread yet.
        unsafe { mi_option_set_default(option, 0) };
    }
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
    fn options_are_set_and_are_those_that_they_should_be() {
        // What follows them, with the values that this version has when nobody sets them: the numbers are those of `mimalloc.h`.
        const PURGE_DECOMMITS: mi_option_t = ARENA_EAGER_COMMIT + 1;
        const USE_NUMA_NODES: mi_option_t = PURGE_DELAY + 1;
        let held = [ARENA_EAGER_COMMIT, PURGE_DECOMMITS, PURGE_DELAY, USE_NUMA_NODES]
            // SAFETY: reads a number.
            .map(|option| unsafe { mi_option_get(option) });
        assert_eq!(held, [0, 1, 0, 0]);
    }
}
