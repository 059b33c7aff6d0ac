//! `match`: which requests a route takes.

use crate::envoy::matcher::metadata_matcher::{PathSegment, path_segment};
use crate::envoy::matcher::value_matcher::MatchPattern;
use crate::envoy::matcher::{ListMatcher, MetadataMatcher, OrMatcher, ValueMatcher, list_matcher};
use crate::envoy::route::header_matcher::HeaderMatchSpecifier;
use crate::envoy::route::query_parameter_matcher::QueryParameterMatchSpecifier;
use crate::envoy::route::route_match::PathSpecifier;
use crate::envoy::route::{HeaderMatcher, QueryParameterMatcher, RouteMatch};
use crate::value::{boolean, regex, string_matcher};
use mesh_model::{ClaimMatch, HeaderMatch, PathMatch, StringMatch};
use pilot_view::spec::RouteMatchSpec;

/// Every request.
pub(super) fn build_everything() -> RouteMatch {
    RouteMatch { path_specifier: Some(PathSpecifier::Prefix("/".to_owned())), ..Default::default() }
}

/// The match that the spec describes.
pub(super) fn build_match(spec: &RouteMatchSpec) -> RouteMatch {
    let RouteMatchSpec { path, ignore_case, headers, claims, query } = spec;
    RouteMatch {
        path_specifier: Some(build_path(path.as_ref())),
        case_sensitive: if *ignore_case { boolean(false) } else { None },
        headers: headers.iter().map(build_header).collect(),
        dynamic_metadata: claims.iter().map(build_claim).collect(),
        query_parameters: query.iter().map(|(name, condition)| build_parameter(name, condition)).collect(),
        ..Default::default()
    }
}

fn build_path(path: Option<&PathMatch>) -> PathSpecifier {
    match path {
        None => PathSpecifier::Prefix("/".to_owned()),
        Some(PathMatch::Exact(path)) => PathSpecifier::Path(path.to_string()),
        Some(PathMatch::Prefix(prefix)) => PathSpecifier::Prefix(prefix.to_string()),
        // Envoy refuses an empty expression, and no path is empty.
        Some(PathMatch::Regex(pattern)) if pattern.is_empty() => PathSpecifier::Path(String::new()),
        Some(PathMatch::Regex(pattern)) => PathSpecifier::SafeRegex(regex(pattern)),
    }
}

fn build_header(condition: &HeaderMatch) -> HeaderMatcher {
    let HeaderMatch { name, value, invert } = condition;
    let matcher = string_matcher(value);
    HeaderMatcher {
        name: name.to_string(),
        invert_match: *invert,
        // `withoutHeaders` holds where the header is missing. Envoy would compare nothing and say no, unless it takes
        // the missing one for empty; for mere presence there is nothing to compare.
        treat_missing_header_as_empty: *invert && matcher.is_some(),
        header_match_specifier: Some(match matcher {
            Some(matcher) => HeaderMatchSpecifier::StringMatch(matcher),
            None => HeaderMatchSpecifier::PresentMatch(true),
        }),
    }
}

/// Where the filter that reads tokens leaves their claims, as Istio has it. A claim may be a list.
fn build_claim(claim: &ClaimMatch) -> MetadataMatcher {
    let ClaimMatch { path, value } = claim;
    let steps = std::iter::once("payload").chain(path.iter().map(|step| &**step));
    let segment = |step: &str| PathSegment { segment: Some(path_segment::Segment::Key(step.to_owned())) };
    let value_matcher = |pattern| ValueMatcher { match_pattern: Some(pattern) };
    let single = match string_matcher(value) {
        Some(matcher) => MatchPattern::StringMatch(matcher),
        None => MatchPattern::PresentMatch(true),
    };
    let one_of = list_matcher::MatchPattern::OneOf(Box::new(value_matcher(single.clone())));
    let list = MatchPattern::ListMatch(Box::new(ListMatcher { match_pattern: Some(one_of) }));
    let either = OrMatcher { value_matchers: vec![value_matcher(single), value_matcher(list)] };
    MetadataMatcher {
        filter: "envoy.filters.http.jwt_authn".to_owned(),
        path: steps.map(segment).collect(),
        value: Some(value_matcher(MatchPattern::OrMatch(either))),
        invert: false,
    }
}

fn build_parameter(name: &str, condition: &StringMatch) -> QueryParameterMatcher {
    QueryParameterMatcher {
        name: name.to_owned(),
        query_parameter_match_specifier: Some(match string_matcher(condition) {
            Some(matcher) => QueryParameterMatchSpecifier::StringMatch(matcher),
            None => QueryParameterMatchSpecifier::PresentMatch(true),
        }),
    }
}
