//! The scheduler of a process that serves thousands of streams.
//!
//! One edit wakes them all. While they write, acknowledgements of the first already come back; were these taken in as they come, the last
//! proxy would wait for the bookkeeping of all others. So sockets are looked at less often while there is work: what goes out goes
//! first, what comes in waits in the kernel's buffers for as long. A process that is idle looks at them all the time, as ever.

use std::io;

use tokio::runtime::{Builder, Runtime};

/// How many tasks run between two looks at the sockets, on a thread that always has one to run: those of some two thousand streams and their
/// connections. A task takes some ten microseconds, so nothing waits for more than a few hundredths of a second.
const LOOK_AT_SOCKETS_EVERY: u32 = 4096;

/// A scheduler with a thread for each processor that this process may use.
pub fn build() -> io::Result<Runtime> {
    Builder::new_multi_thread().enable_all().event_interval(LOOK_AT_SOCKETS_EVERY).build()
}
