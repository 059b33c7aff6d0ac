//! The explanation of a request, as data.

use mesh_model::{NamespacedName, ObjectRef, Percent, Source, Str};
use serde::Serialize;

/// What becomes of a request, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Who asks: `<pod>.<namespace>`.
    pub from: Str,
    /// What is asked.
    pub request: String,
    /// The listener that gets the connection; `None`: no one does.
    pub listener: Option<ListenerTaken>,
    /// The virtual host that gets the request; `None` for opaque connections and unknown hosts.
    pub virtual_host: Option<HostTaken>,
    /// The rules before the one that takes the request, and why they do not.
    pub passed: Vec<RulePassed>,
    /// The rule that takes it; `None`: there is none.
    pub rule: Option<RuleAt>,
    /// Faults that answer a part of the requests before they get anywhere.
    pub aborted: Option<Aborted>,
    /// What else the rule does, a line each.
    pub effects: Vec<String>,
    /// Where it ends.
    pub outcome: Outcome,
}

/// A listener and why it is this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListenerTaken {
    /// Its name.
    pub name: Str,
    /// The filter chain within.
    pub chain: Str,
    /// Why.
    pub why: String,
}

/// A virtual host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostTaken {
    /// The route configuration it belongs to.
    pub route_configuration: Str,
    /// `host:port`.
    pub name: Str,
    /// The one of its domains that the request's authority is.
    pub domain: Str,
    /// The objects that it is made from.
    pub objects: Vec<ObjectAt>,
}

/// An object of the user's and where it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ObjectAt {
    /// The object.
    pub object: ObjectRef,
    /// Where it was read, when that is known.
    pub source: Option<Source>,
}

/// A rule of a virtual host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleAt {
    /// The VirtualService; `None`: the rule that a service has without one.
    pub object: Option<ObjectAt>,
    /// Where in the object: `spec.http[1].match[0]`.
    pub path: String,
    /// The VirtualService that the rule was handed over to, and where in it.
    pub delegate: Option<(ObjectAt, String)>,
    /// Its name as proxies report it; may be empty.
    pub name: Str,
}

/// A rule that does not take the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RulePassed {
    /// The rule.
    pub rule: RuleAt,
    /// Every condition of it that does not hold.
    pub because: Vec<String>,
}

/// `fault.abort`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Aborted {
    /// With what.
    pub status: String,
    /// Of how many requests.
    pub percent: Percent,
}

/// Where a request ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Outcome {
    /// At one of these, by their shares.
    Forwarded(Vec<Target>),
    /// The client is sent elsewhere.
    Redirected {
        /// 301, for example.
        status: u16,
        /// Where to.
        location: String,
    },
    /// The proxy answers itself.
    Answered {
        /// The HTTP status.
        status: u16,
        /// Why.
        why: String,
    },
    /// The connection is closed.
    Closed {
        /// Why.
        why: String,
    },
}

/// One destination of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Target {
    /// The cluster's name.
    pub cluster: Str,
    /// Its share among the destinations.
    pub weight: u32,
    /// The subset; empty: the whole service.
    pub subset: Str,
    /// The DestinationRules that shape it.
    pub policy: Vec<ObjectAt>,
    /// The oldest of them, which gives it its name in telemetry.
    pub config: Option<NamespacedName>,
    /// What the policy asks for, a line each.
    pub settings: Vec<String>,
    /// Where requests end up.
    pub endpoints: Endpoints,
}

/// Where the requests to a cluster end up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Endpoints {
    /// At one of these; empty: 503.
    Known(Vec<String>),
    /// Where the client meant to connect to.
    Original,
    /// At one of these names, which the proxy resolves.
    Resolved(Vec<String>),
    /// At the name that the request asks for, which the proxy resolves.
    Named,
    /// Nowhere: there is no such cluster, with the reason.
    Missing(String),
}

impl Target {
    /// Whether requests to it find an endpoint.
    pub fn reachable(&self) -> bool {
        match &self.endpoints {
            Endpoints::Known(known) => !known.is_empty(),
            Endpoints::Original | Endpoints::Resolved(_) | Endpoints::Named => true,
            Endpoints::Missing(_) => false,
        }
    }
}
