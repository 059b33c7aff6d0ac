//! What becomes of one request, and why.
//!
//! In: a mesh, who asks and a [`Request`]. Out: an [`Explanation`]: listener, virtual host, the rule that takes the request and why
//! each earlier one does not, destinations with their policy and endpoints, and whether mTLS is spoken to these. A pure function over the specs that proxies are
//! configured from; it must not know Envoy's messages. What it says is held against a real Envoy by tests.

mod answer;
mod authority;
mod client;
mod condition;
mod connection;
mod destination;
mod opaque;
mod path;
mod policy;
mod redirect;
mod request;
mod rule;
mod scene;
mod security;
mod text;

pub use answer::{
    Aborted, Endpoints, Explanation, HostTaken, ListenerTaken, ObjectAt, Outcome, RuleAt, RulePassed, Target,
};
pub use client::{UnknownClient, choose, proxy_of};
pub use request::{BadUrl, ClientTarget, Request};
pub use scene::Scene;
