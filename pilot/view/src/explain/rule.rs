//! The rules of a virtual host, one by one: why each does not take the request, until one does.

use super::{
    Aborted, Explanation, Outcome, Request, RuleAt, RulePassed, Scene, condition, destination, redirect,
};
use crate::{
    Scope,
    outbound::{applies, concerns},
    spec::{ActionSpec, ForwardSpec, RouteSpec, VirtualHostSpec},
};
use mesh_model::{
    Abort, AbortCode, Fault, Host, Kind, Labels, NamespacedName, ObjectRef, RewritePath, Str, Traffic,
    VirtualService,
};

/// A rule as its author wrote it, and the route it became, unless it is not for this client.
struct Rule<'a> {
    path: String,
    delegate: Option<&'a (NamespacedName, usize)>,
    name: String,
    outcome: Result<&'a RouteSpec, Vec<String>>,
}

impl Rule<'_> {
    /// Where it is, in the VirtualService `object`.
    fn at(self, scene: &Scene<'_>, object: Option<&ObjectRef>) -> RuleAt {
        let Self { path, delegate, name, outcome } = self;
        RuleAt {
            object: object.map(|object| scene.located(object)),
            path,
            delegate: delegate.map(|(name, index)| {
                let object = ObjectRef { kind: Kind::VirtualService, name: name.clone() };
                (scene.located(&object), format!("spec.http[{index}]"))
            }),
            name: outcome.map_or_else(|_| name.into(), |route| route.name.clone()),
        }
    }
}

/// Goes through the rules of `host` and writes into `explanation` what it finds.
pub fn follow(
    scene: &Scene<'_>,
    scope: &Scope<'_>,
    host: &VirtualHostSpec,
    request: &Request,
    explanation: &mut Explanation,
) {
    let config = host.routes.iter().find_map(|route| route.config.as_ref());
    let object = config.map(|name| ObjectRef { kind: Kind::VirtualService, name: name.clone() });
    let value = object.as_ref().and_then(|object| {
        let values = scope.mesh.virtual_services();
        values.into_iter().find(|value| value.metadata.object == *object)
    });
    let (name, port) = host.name.rsplit_once(':').unwrap_or_default();
    let port = port.parse().unwrap_or_default();
    // Those that are asked first, and have no route for this client.
    let asked = Host::new(name);
    let asked = scope.virtual_services(&asked, Traffic::Http);
    let without = asked
        .into_iter()
        .take_while(|value| Some(&value.metadata.object) != object.as_ref())
        .filter(|value| !concerns(scope, port, value));
    for value in without {
        for rule in written(scope, value, port, &[]) {
            let Rule { outcome: Err(because), .. } = &rule else { continue };
            let rule =
                RulePassed { because: because.clone(), rule: rule.at(scene, Some(&value.metadata.object)) };
            explanation.passed.push(rule);
        }
    }
    let rules = match value {
        Some(value) => written(scope, value, port, &host.routes),
        None => host
            .routes
            .iter()
            .map(|route| Rule {
                path: String::new(),
                delegate: None,
                name: route.name.to_string(),
                outcome: Ok(route),
            })
            .collect(),
    };
    for rule in rules {
        let outcome = rule.outcome.clone();
        let rule = rule.at(scene, object.as_ref());
        match outcome.and_then(|route| {
            let unmet = condition::unmet(&route.matches, request);
            if unmet.is_empty() { Ok(route) } else { Err(unmet) }
        }) {
            Err(because) => explanation.passed.push(RulePassed { rule, because }),
            Ok(route) => {
                explanation.rule = Some(rule);
                act(scene, route, request, explanation);
                return;
            }
        }
    }
    explanation.outcome = Outcome::Answered { status: 404, why: "no rule takes the request".to_owned() };
}

/// The rules of `value` beside the routes on `port`, which were made from those that are for this client, in the same order.
fn written<'h>(
    scope: &Scope<'_>,
    value: &'h VirtualService,
    port: u16,
    routes: &'h [RouteSpec],
) -> Vec<Rule<'h>> {
    let mut routes = routes.iter();
    let mut rules = Vec::new();
    for http in &value.http {
        let path = format!("spec.http[{}]", http.index);
        let (name, delegate) = (http.name.to_string(), http.delegate.as_ref());
        if http.matches.is_empty() {
            // The routes end after one that takes everything.
            let Some(route) = routes.next() else { break };
            rules.push(Rule { path, delegate, name, outcome: Ok(route) });
            continue;
        }
        for condition in &http.matches {
            let path = format!("{path}.match[{}]", condition.index);
            let name = name.clone();
            if !applies(scope, port, condition) {
                let wanted = ForClient {
                    port: condition.port,
                    source_namespace: condition.source_namespace.as_ref(),
                    source_labels: &condition.source_labels,
                    gateways: &condition.gateways,
                };
                rules.push(Rule { path, delegate, name, outcome: Err(not_for(scope, port, &wanted)) });
            } else if let Some(route) = routes.next() {
                rules.push(Rule { path, delegate, name, outcome: Ok(route) });
            }
        }
    }
    rules
}

/// The part of a match that is about the client as such.
pub struct ForClient<'a> {
    pub port: Option<u16>,
    pub source_namespace: Option<&'a Str>,
    pub source_labels: &'a Labels,
    pub gateways: &'a [Str],
}

/// What of `wanted` the client does not meet, whatever it asks.
pub fn not_for(scope: &Scope<'_>, port: u16, wanted: &ForClient<'_>) -> Vec<String> {
    let ForClient { port: wanted_port, source_namespace, source_labels, gateways } = *wanted;
    let mut because = Vec::new();
    if let Some(wanted) = wanted_port.filter(|wanted| *wanted != port) {
        because.push(format!("the port is {port}, not {wanted}"));
    }
    if let Some(wanted) = source_namespace.filter(|wanted| **wanted != scope.key.namespace) {
        because.push(format!("the client is in namespace {}, not {wanted}", scope.key.namespace));
    }
    for (key, wanted) in source_labels {
        match scope.key.labels.get(key) {
            Some(found) if found == wanted => {}
            Some(found) => because.push(format!("the client has the label {key}={found}, not {wanted}")),
            None => because.push(format!("the client has no label {key}={wanted}")),
        }
    }
    if !(gateways.is_empty() || gateways.iter().any(|gateway| &**gateway == "mesh")) {
        because.push("it is only for gateways".to_owned());
    }
    because
}

fn act(scene: &Scene<'_>, route: &RouteSpec, request: &Request, explanation: &mut Explanation) {
    if let Some(fault) = &route.fault {
        disturb(fault, explanation);
    }
    explanation.outcome = match &route.action {
        ActionSpec::Redirect(redirect) => Outcome::Redirected {
            status: redirect.code,
            location: redirect::location(redirect, &route.matches, request),
        },
        ActionSpec::DirectResponse(response) => {
            Outcome::Answered { status: response.status, why: "the rule has a directResponse".to_owned() }
        }
        ActionSpec::Forward(forward) => {
            describe(forward, &mut explanation.effects);
            Outcome::Forwarded(
                forward.clusters.iter().map(|cluster| destination::target(scene, cluster)).collect(),
            )
        }
    };
    if route.cors.is_some() {
        explanation.effects.push("CORS: preflight requests of browsers are answered by the proxy".to_owned());
    }
}

fn disturb(fault: &Fault, explanation: &mut Explanation) {
    let Fault { delay, abort } = fault;
    if let Some(delay) = delay {
        explanation
            .effects
            .push(format!("fault: {} of the requests wait for {}", delay.percent, delay.fixed));
    }
    if let Some(Abort { code, percent }) = abort {
        let status = match code {
            AbortCode::Http(status) => status.to_string(),
            AbortCode::Grpc(status) => format!("gRPC status {status}"),
        };
        explanation.aborted = Some(Aborted { status, percent: *percent });
    }
}

fn describe(forward: &ForwardSpec, effects: &mut Vec<String>) {
    if let Some(rewrite) = &forward.rewrite {
        match &rewrite.path {
            None => {}
            Some(RewritePath::Matched(path)) => {
                effects.push(format!("rewrite: what the path matched becomes {path}"))
            }
            Some(RewritePath::Regex { pattern, substitution }) => {
                effects.push(format!("rewrite: in the path {pattern} becomes {substitution}"))
            }
        }
        if !rewrite.authority.is_empty() {
            effects.push(format!("rewrite: the host becomes {}", rewrite.authority));
        }
    }
    match forward.timeout {
        Some(timeout) => effects.push(format!("timeout: {timeout}")),
        None => effects.push("timeout: none".to_owned()),
    }
    match &forward.retries {
        Some(retries) => effects.push(format!("retries: {} on {}", retries.attempts, retries.on.conditions)),
        None => effects.push("retries: none".to_owned()),
    }
    for mirror in &forward.mirrors {
        effects.push(format!("mirror: {} of the requests also go to {}", mirror.percent, mirror.cluster));
    }
}
