//! `rewrite`: what path and host the destination sees.

use crate::envoy::matcher::RegexMatchAndSubstitute;
use crate::envoy::route::RouteAction;
use crate::envoy::route::route_action::HostRewriteSpecifier;
use crate::value::regex;
use mesh_model::{Rewrite, RewritePath};

/// Applies the rewriting of path and host.
pub(super) fn apply_rewrite(rewrite: &Rewrite, action: &mut RouteAction) {
    let Rewrite { path, authority } = rewrite;
    match path {
        None => {}
        // Envoy replaces what the route matched: the prefix, or the whole path for an exact or a regex match.
        Some(RewritePath::Matched(path)) => action.prefix_rewrite = path.to_string(),
        // Envoy refuses an empty expression, which would match nothing that a path has.
        Some(RewritePath::Regex { pattern, substitution: _ }) if pattern.is_empty() => {}
        Some(RewritePath::Regex { pattern, substitution }) => {
            action.regex_rewrite = Some(RegexMatchAndSubstitute {
                pattern: Some(regex(pattern)),
                substitution: substitution.to_string(),
            });
        }
    }
    if !authority.is_empty() {
        let literal = HostRewriteSpecifier::HostRewriteLiteral(authority.to_string());
        action.host_rewrite_specifier = Some(literal);
    }
}
