//! Matches of a delegate within those of its root.
//!
//! Istio's rules: each match of the delegate has to be narrower than some match of the root in everything that both say. Where
//! Istio would let an empty condition of the delegate widen the root's, the root's stays.

use mesh_model::{ClaimMatch, HeaderMatch, HttpMatch, Labels, PathMatch, Str, StringMatch};

/// `root-child`, or whichever there is.
pub fn join_names(root: &Str, child: &Str) -> Str {
    match (root.is_empty(), child.is_empty()) {
        (true, _) => child.clone(),
        (_, true) => root.clone(),
        (false, false) => format!("{root}-{child}").into(),
    }
}

/// Each match of the child within each of the root's that it fits; `None` when one fits nowhere.
pub fn refine_all(root: &[HttpMatch], child: Vec<HttpMatch>) -> Option<Vec<HttpMatch>> {
    if root.is_empty() {
        return Some(child);
    }
    if child.is_empty() {
        return Some(root.to_vec());
    }
    let mut refined = Vec::with_capacity(child.len());
    for inner in &child {
        let before = refined.len();
        refined.extend(root.iter().filter_map(|outer| refine(outer, inner)));
        if refined.len() == before {
            return None;
        }
    }
    Some(refined)
}

/// What both ask for; `None` when the child's is not narrower.
fn refine(root: &HttpMatch, child: &HttpMatch) -> Option<HttpMatch> {
    let HttpMatch {
        index: _, // The route counts as the root's, so its matches do, too.
        name,
        uri,
        ignore_uri_case,
        scheme,
        method,
        authority,
        headers,
        claims,
        query,
        port,
        source_labels,
        source_namespace,
        gateways,
        stat_prefix,
    } = child;
    if root.ignore_uri_case != *ignore_uri_case {
        return None;
    }
    Some(HttpMatch {
        index: root.index,
        name: join_names(&root.name, name),
        uri: both(root.uri.as_ref(), uri.as_ref(), |root, child| narrower(&text(root), &text(child)))?,
        ignore_uri_case: *ignore_uri_case,
        scheme: both(root.scheme.as_ref(), scheme.as_ref(), narrower)?,
        method: both(root.method.as_ref(), method.as_ref(), narrower)?,
        authority: both(root.authority.as_ref(), authority.as_ref(), narrower)?,
        headers: refine_headers(&root.headers, headers)?,
        claims: refine_claims(&root.claims, claims)?,
        query: refine_query(&root.query, query)?,
        port: both(root.port.as_ref(), port.as_ref(), equal)?,
        source_labels: refine_labels(&root.source_labels, source_labels)?,
        source_namespace: both(root.source_namespace.as_ref(), source_namespace.as_ref(), equal)?,
        gateways: match (root.gateways.is_empty(), gateways.is_empty()) {
            (_, true) => root.gateways.clone(),
            (true, false) => gateways.clone(),
            (false, false) => {
                gateways.iter().all(|gateway| root.gateways.contains(gateway)).then(|| gateways.clone())?
            }
        },
        stat_prefix: if stat_prefix.is_empty() { root.stat_prefix.clone() } else { stat_prefix.clone() },
    })
}

/// Whose condition holds for both.
enum Holds {
    Root,
    Child,
}

/// The narrower of two conditions, or the one that there is; `None` when they contradict each other.
fn both<T: Clone>(
    root: Option<&T>,
    child: Option<&T>,
    narrower: impl Fn(&T, &T) -> Option<Holds>,
) -> Option<Option<T>> {
    match (root, child) {
        (Some(root), Some(child)) => Some(Some(match narrower(root, child)? {
            Holds::Root => root.clone(),
            Holds::Child => child.clone(),
        })),
        (root, child) => Some(child.or(root).cloned()),
    }
}

fn equal<T: PartialEq>(root: &T, child: &T) -> Option<Holds> {
    (root == child).then_some(Holds::Child)
}

fn narrower(root: &StringMatch, child: &StringMatch) -> Option<Holds> {
    match (root, child) {
        (StringMatch::Present, _) => Some(Holds::Child),
        (StringMatch::Prefix(_) | StringMatch::Regex(_), StringMatch::Present) => Some(Holds::Root),
        (StringMatch::Exact(root), StringMatch::Exact(child)) => equal(root, child),
        (StringMatch::Prefix(root), StringMatch::Exact(child) | StringMatch::Prefix(child)) => {
            child.starts_with(&**root).then_some(Holds::Child)
        }
        // Expressions cannot be compared, and Istio does not take equal ones either.
        (StringMatch::Exact(_) | StringMatch::Prefix(_) | StringMatch::Regex(_), _) => None,
    }
}

fn text(path: &PathMatch) -> StringMatch {
    match path {
        PathMatch::Exact(path) => StringMatch::Exact(path.clone()),
        PathMatch::Prefix(path) => StringMatch::Prefix(path.clone()),
        PathMatch::Regex(path) => StringMatch::Regex(path.clone()),
    }
}

fn refine_headers(root: &[HeaderMatch], child: &[HeaderMatch]) -> Option<Vec<HeaderMatch>> {
    let mut refined = root.to_vec();
    for inner in child {
        let same = |outer: &&mut HeaderMatch| outer.name == inner.name && outer.invert == inner.invert;
        match refined.iter_mut().find(same) {
            None => refined.push(inner.clone()),
            Some(outer) => match narrower(&outer.value, &inner.value)? {
                Holds::Root => {}
                // What is excluded stays excluded.
                Holds::Child if inner.invert && *outer != *inner => refined.push(inner.clone()),
                Holds::Child => *outer = inner.clone(),
            },
        }
    }
    refined.sort();
    Some(refined)
}

fn refine_claims(root: &[ClaimMatch], child: &[ClaimMatch]) -> Option<Vec<ClaimMatch>> {
    let mut refined = root.to_vec();
    for inner in child {
        match refined.iter_mut().find(|outer| outer.path == inner.path) {
            None => refined.push(inner.clone()),
            Some(outer) => match narrower(&outer.value, &inner.value)? {
                Holds::Root => {}
                Holds::Child => outer.value = inner.value.clone(),
            },
        }
    }
    refined.sort();
    Some(refined)
}

fn refine_query(
    root: &[(Str, StringMatch)],
    child: &[(Str, StringMatch)],
) -> Option<Vec<(Str, StringMatch)>> {
    let mut refined = root.to_vec();
    for (name, value) in child {
        match refined.iter_mut().find(|(known, _)| known == name) {
            None => refined.push((name.clone(), value.clone())),
            Some((_, outer)) => match narrower(outer, value)? {
                Holds::Root => {}
                Holds::Child => *outer = value.clone(),
            },
        }
    }
    refined.sort();
    Some(refined)
}

fn refine_labels(root: &Labels, child: &Labels) -> Option<Labels> {
    let agrees = |(key, value): (&Str, &Str)| root.get(key).is_none_or(|wanted| wanted == value);
    child.iter().all(agrees).then(|| {
        let labels = root.iter().chain(child);
        labels.map(|(key, value)| (key.clone(), value.clone())).collect()
    })
}
