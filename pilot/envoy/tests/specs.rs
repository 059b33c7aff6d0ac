//! Each spec as the JSON of the message that it becomes; and all of them in a real Envoy.

// Helpers of tests are tests too, which clippy cannot tell.
#![allow(clippy::unwrap_used)]

#[path = "specs/accepted.rs"]
mod accepted;
#[path = "specs/check.rs"]
mod check;
#[path = "specs/cluster.rs"]
mod cluster;
#[path = "specs/copies_and_origins.rs"]
mod copies_and_origins;
#[path = "specs/endpoints.rs"]
mod endpoints;
#[path = "specs/extremes.rs"]
mod extremes;
#[path = "specs/given.rs"]
mod given;
#[path = "specs/inline.rs"]
mod inline;
#[path = "specs/json.rs"]
mod json;
#[path = "specs/listener.rs"]
mod listener;
#[path = "specs/route.rs"]
mod route;
#[path = "specs/stable.rs"]
mod stable;
#[path = "specs/traced.rs"]
mod traced;
