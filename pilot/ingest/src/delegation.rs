//! Routes that one VirtualService takes from another: `delegate`.
//!
//! In: a root and its delegates, each as it means by itself. Out: the root with all its routes, and what is wrong with handing
//! over, told to both. Knows nothing of where objects are held.

mod matches;

use crate::kinds::{RouteParts, VirtualServiceDefinition};
use matches::{join_names, refine_all};
use mesh_model::{
    DefaultExport, HttpRoute, Kind, NamespacedName, ObjectRef, Problem, Reason, Severity, VirtualService,
};
use std::sync::Arc;

/// A root with the routes of its delegates.
pub struct Joined {
    /// What it means.
    pub value: Arc<VirtualService>,
    /// Problems, each with the object that it is about.
    pub problems: Vec<(ObjectRef, Problem)>,
}

/// Puts the routes of delegates in the places where `root` hands over. `exports` says who sees a delegate that does not say so.
pub fn join<'a>(
    root: &VirtualServiceDefinition,
    exports: &DefaultExport,
    find: impl Fn(&NamespacedName) -> Option<&'a VirtualServiceDefinition>,
) -> Joined {
    let VirtualServiceDefinition { value, parts } = root;
    if parts.is_empty() {
        return Joined { value: value.clone(), problems: Vec::new() };
    }
    let mut joined = VirtualService { http: Vec::with_capacity(parts.len()), ..(**value).clone() };
    let mut problems = Vec::new();
    for part in parts {
        let Some(name) = &part.delegate else {
            joined.http.extend(part.clone().finish());
            continue;
        };
        match delegate(value, part, name, find(name), exports) {
            Ok(delegate) => {
                let object = &delegate.value.metadata.object;
                for child in &delegate.parts {
                    match merge(part, child).map(RouteParts::finish) {
                        Some(Some(route)) => {
                            let delegate = Some((object.name.clone(), child.index));
                            joined.http.push(HttpRoute { delegate, ..route });
                        }
                        Some(None) => {
                            let what = "does not do exactly one thing with a request";
                            let hint = "let one of the two, and not both, say `redirect` or `directResponse`";
                            problems.extend(tell_both(value, part, object, child, [what, hint]));
                        }
                        None => {
                            let what = "has a match that is not within any match";
                            let hint = "let each match here ask for what one there asks for, and for more";
                            problems.extend(tell_both(value, part, object, child, [what, hint]));
                        }
                    }
                }
                joined.delegates.push(object.clone());
            }
            Err(told) => problems.extend(told),
        }
    }
    joined.delegates.sort();
    joined.delegates.dedup();
    Joined { value: Arc::new(joined), problems }
}

/// The problem of a delegate that nobody hands over to.
pub fn unused(delegate: &VirtualServiceDefinition) -> (ObjectRef, Problem) {
    let message = "it has no hosts, and no VirtualService hands over to it, so it has no effect";
    let problem = Problem::warning(Reason::NotFound, "spec.hosts", message)
        .hint("name the hosts whose requests are routed, or name it as `delegate` in a route of another one");
    (delegate.value.metadata.object.clone(), problem)
}

/// The delegate that `part` of `root` names, or why it cannot be one.
fn delegate<'a>(
    root: &VirtualService,
    part: &RouteParts,
    name: &NamespacedName,
    found: Option<&'a VirtualServiceDefinition>,
    exports: &DefaultExport,
) -> Result<&'a VirtualServiceDefinition, Vec<(ObjectRef, Problem)>> {
    let path = format!("spec.http[{}].delegate", part.index);
    let object = &root.metadata.object;
    let of_root = |reason, message, hint: &str| {
        (object.clone(), Problem::error(reason, path.clone(), message).hint(hint))
    };
    let Some(delegate) = found else {
        let missing = ObjectRef { kind: Kind::VirtualService, name: name.clone() };
        let message =
            format!("there is no {missing} with routes to hand over to, so this route takes no requests");
        let hint = "add it, without `hosts`, or correct the name or the namespace";
        return Err(vec![of_root(Reason::NotFound, message, hint)]);
    };
    let child = &delegate.value.metadata.object;
    let of_child = |reason, path: &str, message, hint: &str| {
        (child.clone(), Problem::warning(reason, path, message).hint(hint))
    };
    if !delegate.is_delegate() {
        let message = format!(
            "{child} has hosts of its own and cannot be handed over to; this route takes no requests"
        );
        let theirs =
            format!("{object} hands over to this VirtualService, which it cannot while this has hosts");
        return Err(vec![
            of_root(Reason::InvalidValue, message, "name a VirtualService without `hosts`"),
            of_child(Reason::InvalidValue, "spec.hosts", theirs, "leave `hosts` and `gateways` out"),
        ]);
    }
    let export_to = exports.resolve(&delegate.value.export_to, &child.name.namespace);
    if !export_to.includes(root.metadata.namespace()) {
        let namespace = root.metadata.namespace();
        let message =
            format!("{child} is not visible from namespace {namespace}; this route takes no requests");
        let theirs = format!("{object} hands over to this VirtualService but does not see it");
        return Err(vec![
            of_root(Reason::NotFound, message, "let its `exportTo` name this namespace"),
            of_child(Reason::NotFound, "spec.exportTo", theirs, &format!("add {namespace}")),
        ]);
    }
    Ok(delegate)
}

/// A route of a delegate that is left out.
fn tell_both(
    root: &VirtualService,
    part: &RouteParts,
    child: &ObjectRef,
    of_child: &RouteParts,
    [what, hint]: [&str; 2],
) -> [(ObjectRef, Problem); 2] {
    let root = &root.metadata.object;
    let (outer, inner) = (format!("spec.http[{}]", part.index), format!("spec.http[{}]", of_child.index));
    let theirs = format!("together with {outer} of {root} this route {what}, so it is left out there");
    let own = format!("{inner} of {child} {what} together with this route, so it is left out");
    [
        (child.clone(), Problem::error(Reason::Conflict, inner, theirs).hint(hint)),
        (root.clone(), Problem::new(Severity::Info, Reason::Conflict, outer, own)),
    ]
}

/// A delegate's route in the place of the root's: the child's own words, and the root's where it says nothing. `None`: a match
/// of the child is within none of the root's.
fn merge(root: &RouteParts, child: &RouteParts) -> Option<RouteParts> {
    let RouteParts {
        index: _,
        name,
        matches,
        destinations,
        redirect,
        direct_response,
        delegate: _,
        rewrite,
        timeout,
        retries,
        fault,
        mirror,
        mirror_percent,
        mirrors,
        cors,
        headers,
    } = child.clone();
    let from = root.clone();
    Some(RouteParts {
        index: root.index,
        name: join_names(&root.name, &name),
        matches: refine_all(&root.matches, matches)?,
        destinations,
        redirect,
        direct_response: direct_response.or(from.direct_response),
        delegate: None,
        rewrite: rewrite.or(from.rewrite),
        timeout: timeout.or(from.timeout),
        retries: retries.or(from.retries),
        fault: fault.or(from.fault),
        mirror: mirror.or(from.mirror),
        mirror_percent: mirror_percent.or(from.mirror_percent),
        mirrors: if mirrors.is_empty() { from.mirrors } else { mirrors },
        cors: cors.or(from.cors),
        headers: headers.or(from.headers),
    })
}
