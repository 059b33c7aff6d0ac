//! What became of each object, written into its status.
//!
//! In: the report of ingest, how far proxies have got ([`Progress`]), and the objects as the API server holds them. Out: the
//! conditions `Accepted`, `ResolvedRefs` and `Programmed` on each object, by one replica at a time. `collect` decides what they
//! say and is pure; `decide` decides what is worth a write; `objects` and `writer` talk to the API server. Nothing here
//! knows Envoy, streams or what an object means. `replicas` adds up what the proxies of all replicas have. Beside the conditions, `addresses`
//! gives ServiceEntries theirs, and `registration` makes the WorkloadEntries of workloads that register themselves.

mod addresses;
mod collect;
mod condition;
mod decide;
mod leader;
mod objects;
mod progress;
mod registration;
mod replicas;
mod wait;
mod writer;

pub use collect::{Programmed, collect};
pub use condition::{Condition, ConditionType};
pub use leader::{FIELD_MANAGER, LEASE_NAME, Sources, StatusConfig, start};
pub use progress::{Progress, Reached, Since};
pub use registration::{By, GRACE, RegisterError, Registered, Registering, Registrations};
pub use replicas::{BOARD_NAME, Inquiries};
pub use wait::{WaitError, wait_for};
