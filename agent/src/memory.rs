//! Gives memory back that an agent does not use for now. There is one beside every workload, most of its program runs once, when it starts,
//! and a first push of a large mesh takes more for a moment than anything after it.
//!
//! In: nothing. Out: fewer resident pages. What is used after all comes back by itself: code from the program's file, which the system holds
//! in its cache for all agents of a node, and heap as zeros.

use std::{fs, ops::Range, path::Path, time::Duration};

use nix::libc;
use tokio::time::sleep;

/// Until the proxy has started.
const FIRST_AFTER: Duration = Duration::from_secs(10);
/// It takes a tenth of a millisecond, and what is used comes back in as much.
const EVERY: Duration = Duration::from_secs(60);

/// Gives back what is not used, now and then, until it is dropped.
pub async fn give_back_now_and_then() {
    let mut pause = FIRST_AFTER;
    loop {
        sleep(pause).await;
        give_back();
        pause = EVERY;
    }
}

/// Gives back what is not used at this moment.
#[expect(
    unsafe_code,
    reason = "nobody else tells the system which pages, and the allocator that now is the time"
)]
pub fn give_back() {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let program = fs::read_link("/proc/self/exe").unwrap_or_default();
    for Range { start, end } in code(&maps, &program) {
        // SAFETY: a mapping of code is private, never written to and backed by the program's file, which can't be changed while it runs: a
        // page that is dropped is read from it again.
        unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_DONTNEED) };
    }
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes the allocator's own locks, and frees what nobody holds.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Where the code of `program` is. Its data is not among it: the loader has written into that.
fn code(maps: &str, program: &Path) -> Vec<Range<usize>> {
    let of_line = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let (range, rights) = (fields.next()?, fields.next()?);
        let path = fields.nth(3)?;
        let (start, end) = range.split_once('-')?;
        let range = usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?;
        (rights == "r-xp" && Path::new(path) == program && range.start < range.end).then_some(range)
    };
    maps.lines().filter_map(of_line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_of_the_program_and_nothing_else() {
        let maps = "\
5600000-5700000 r--p 00000000 fd:01 42   /usr/local/bin/meltemi-agent
5700000-5f00000 r-xp 00100000 fd:01 42   /usr/local/bin/meltemi-agent
5f00000-6000000 r--p 00900000 fd:01 42   /usr/local/bin/meltemi-agent
6000000-6100000 rw-p 00a00000 fd:01 42   /usr/local/bin/meltemi-agent
6100000-6200000 rw-p 00000000 00:00 0    [heap]
7f00000-7f10000 r-xp 00000000 fd:01 7    /lib/libc.so.6
7f10000-7f20000 r-xp 00000000 00:00 0
nonsense
";
        let program = Path::new("/usr/local/bin/meltemi-agent");
        assert_eq!(code(maps, program).first(), Some(&(0x0570_0000..0x05f0_0000)));
        assert_eq!(code(maps, program).len(), 1);
        assert!(code(maps, Path::new("")).is_empty());
    }

    #[test]
    fn whoever_goes_on_does_not_notice() {
        let text = "kept".repeat(10_000);
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        assert!(!code(&maps, &fs::read_link("/proc/self/exe").unwrap()).is_empty());
        for _ in 0..3 {
            give_back();
            assert_eq!(text.len(), 40_000);
            assert!(std::thread::spawn(|| format!("{:?}", std::time::SystemTime::now())).join().is_ok());
        }
    }
}
