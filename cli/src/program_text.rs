//! The program's own machine code in memory, and what of it only the start needed.
//!
//! A start runs through YAML, JSON and TLS, most of the program's text; serving proxies takes an eighth of that. The kernel keeps every page that
//! was touched mapped until memory is short, so a small control plane was mostly text that it would not need again (ADR 33).
//!
//! In: nothing. Out: pages that are no longer resident. They come back from the page cache, 64 KiB at a time, when code in them runs again.
#![allow(unsafe_code)]

use std::{fs, io, ptr};

use rustix::mm::{Advice, madvise};

/// Gives back all of this program's text. What runs on comes back within microseconds. An error says why nothing was given back.
pub fn give_back() -> io::Result<()> {
    let maps = fs::read_to_string("/proc/self/smaps")?;
    let program = fs::read_link("/proc/self/exe")?;
    let program = program.to_str().ok_or_else(|| io::Error::other("the program's path is not UTF-8"))?;
    for Text { start, length, .. } in texts(&maps, program).filter(|text| text.untouched) {
        // SAFETY: it is a mapping of this process, of a file that it was made from, which nobody can write to and nobody has (no private page):
        // what is read there again is what was there.
        unsafe { madvise(ptr::with_exposed_provenance_mut(start), length, Advice::LinuxDontNeed) }?;
    }
    Ok(())
}

/// A mapping of the program that is run and not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Text {
    start: usize,
    /// In bytes.
    length: usize,
    /// In bytes.
    resident: usize,
    /// No page of it is this process's own: a debugger's breakpoint or a relocation would be lost.
    untouched: bool,
}

/// Those in `maps`, which is of the form of `/proc/PID/smaps` (proc_pid_smaps(5)).
fn texts<'a>(maps: &'a str, program: &'a str) -> impl Iterator<Item = Text> + 'a {
    let mut lines = maps.lines().peekable();
    std::iter::from_fn(move || {
        loop {
            let head = mapping(lines.next()?, program);
            let mut sizes = [None; 2];
            while let Some(line) = lines.next_if(|line| !is_head(line)) {
                for (size, name) in sizes.iter_mut().zip(["Rss:", "Private_Dirty:"]) {
                    let kibibytes = line.strip_prefix(name).and_then(|rest| rest.trim().strip_suffix(" kB"));
                    *size = size.or(kibibytes.and_then(|size| size.parse::<usize>().ok()));
                }
            }
            if let (Some((start, length)), [Some(resident), Some(own)]) = (head, sizes) {
                return Some(Text { start, length, resident: resident * 1024, untouched: own == 0 });
            }
        }
    })
}

/// `START-END PERMISSIONS OFFSET DEVICE INODE PATH`; attributes have a colon after their name.
fn is_head(line: &str) -> bool {
    line.split_whitespace().next().is_some_and(|word| !word.ends_with(':'))
}

/// Where the mapping that `head` describes begins and how long it is, if it is text of `program`.
fn mapping(head: &str, program: &str) -> Option<(usize, usize)> {
    let mut words = head.split_whitespace();
    let (range, permissions) = (words.next()?, words.next()?);
    // A path may have blanks in it.
    if permissions != "r-xp" || !head.ends_with(&format!(" {program}")) {
        return None;
    }
    let (start, end) = range.split_once('-')?;
    let [start, end] = [start, end].map(|address| usize::from_str_radix(address, 16).ok());
    Some((start?, end?.checked_sub(start?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "\
555500000000-555500001000 r--p 00000000 fd:00 7                          /opt/a program
Rss:                   4 kB
Private_Dirty:         0 kB
555500001000-555500005000 r-xp 00001000 fd:00 7                          /opt/a program
Size:                 16 kB
Rss:                  12 kB
Private_Dirty:         0 kB
VmFlags: rd ex mr mw me
555500005000-555500006000 r-xp 00005000 fd:00 7                          /opt/a program
Rss:                   4 kB
Private_Dirty:         4 kB
7f0000000000-7f0000001000 r-xp 00000000 fd:00 8                          /lib/a program
Rss:                   4 kB
Private_Dirty:         0 kB
7f0000001000-7f0000002000 rw-p 00000000 00:00 0
Rss:                   4 kB
Private_Dirty:         4 kB
";

    #[test]
    fn text_of_the_program_is_told_from_all_else() {
        let found: Vec<_> = texts(MAPS, "/opt/a program").collect();
        let first = Text { start: 0x5555_0000_1000, length: 0x4000, resident: 12 * 1024, untouched: true };
        let second = Text { start: 0x5555_0000_5000, length: 0x1000, resident: 4096, untouched: false };
        assert_eq!(found, [first, second]);
    }

    #[test]
    fn what_was_given_back_is_not_resident_and_runs_on() {
        let program = fs::read_link("/proc/self/exe").unwrap();
        let resident = || {
            let maps = fs::read_to_string("/proc/self/smaps").unwrap();
            texts(&maps, program.to_str().unwrap()).map(|text| text.resident).sum::<usize>()
        };
        let before = resident();
        give_back().unwrap();
        let after = resident();
        assert!(after < before, "{after} of {before} bytes are resident still");
    }
}
