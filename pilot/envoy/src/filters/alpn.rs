//! Tells the server's proxy by ALPN what is spoken to it, where that is the client's choice. In Istio a filter of its own (`istio.alpn`),
//! which a stock Envoy does not have: the same is done by filter state, which overrides what the cluster would ask for.
//!
//! Only clusters that speak what their clients do need it, and say so in their metadata; the others have the right list themselves. An
//! expression is what an Envoy takes longest for, so there are two filters: one takes the cluster's mark over, which costs next to
//! nothing, and the one with the expression is passed by where there is none.

use super::Filter;
use crate::cluster::{ALPN_BY_REQUEST, ALPN_METADATA, ALPN_YES};
use crate::envoy::core::{
    DataSource, SubstitutionFormatString, TypedExtensionConfig, data_source, substitution_format_string,
};
use mesh_proto::envoy::extensions::common::matching::v3::ExtensionWithMatcher;
use mesh_proto::envoy::extensions::filters::common::set_filter_state::v3::{
    FilterStateValue, filter_state_value,
};
use mesh_proto::envoy::extensions::filters::http::set_filter_state::v3::Config;
use mesh_proto::envoy::extensions::matching::common_inputs::network::v3::FilterStateInput;
use mesh_proto::google::protobuf::Any;
use mesh_proto::pack;
use mesh_proto::xds::core::v3::TypedExtensionConfig as MatchExtension;
use mesh_proto::xds::r#type::matcher::v3::{
    Matcher, StringMatcher,
    matcher::{
        MatcherList, MatcherType, OnMatch,
        matcher_list::{
            FieldMatcher, Predicate,
            predicate::{MatchType, SinglePredicate, single_predicate},
        },
        on_match,
    },
    string_matcher::MatchPattern,
};

/// Well known to Envoy: the list of protocols that a connection to the cluster asks for.
const KEY: &str = "envoy.network.application_protocols";
/// The mark of the cluster that a request goes to.
const MARK: &str = "meltemi.alpn.by_request";
/// What the generic kind of filter state is called: text.
const TEXT: &str = "envoy.string";
/// The action that passes a filter by. It has no fields.
const SKIP: &str = "type.googleapis.com/envoy.extensions.filters.common.matcher.action.v3.SkipFilter";
const SET_FILTER_STATE: &str = "envoy.filters.http.set_filter_state";

/// Takes over whether the cluster needs it.
pub(super) const MARK_FILTER: Filter = Filter {
    name: "meltemi.alpn.mark",
    build: |spec| {
        let mark = format!("%CLUSTER_METADATA({ALPN_METADATA}:{ALPN_BY_REQUEST})%");
        spec.alpn_by_request.then(|| pack(&set(MARK, TEXT, &mark)))
    },
};

/// Overrides the list, if so.
pub(super) const FILTER: Filter = Filter {
    name: SET_FILTER_STATE,
    build: |spec| {
        spec.alpn_by_request.then(|| {
            let protocols =
                "%CEL(request.protocol == 'HTTP/2' ? 'istio-h2,istio,h2' : 'istio-http/1.1,istio,http/1.1')%";
            pack(&ExtensionWithMatcher {
                extension_config: Some(TypedExtensionConfig {
                    name: SET_FILTER_STATE.to_owned(),
                    typed_config: Some(pack(&set(KEY, "", protocols))),
                }),
                xds_matcher: Some(skip_unmarked()),
                ..Default::default()
            })
        })
    },
};

/// Sets one value, unless it is empty.
fn set(key: &str, factory: &str, value: &str) -> Config {
    let format = SubstitutionFormatString {
        omit_empty_values: true,
        format: Some(substitution_format_string::Format::TextFormatSource(DataSource {
            specifier: Some(data_source::Specifier::InlineString(value.to_owned())),
            ..Default::default()
        })),
        ..Default::default()
    };
    Config {
        on_request_headers: vec![FilterStateValue {
            key: Some(filter_state_value::Key::ObjectKey(key.to_owned())),
            factory_key: factory.to_owned(),
            value: Some(filter_state_value::Value::FormatString(format)),
            skip_if_empty: true,
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// Passes the filter by for every request whose cluster has no mark.
fn skip_unmarked() -> Matcher {
    let extension =
        |name: &str, config: Any| MatchExtension { name: name.to_owned(), typed_config: Some(config) };
    let yes =
        StringMatcher { match_pattern: Some(MatchPattern::Exact(ALPN_YES.to_owned())), ..Default::default() };
    let is_marked = SinglePredicate {
        input: Some(extension(
            "mark",
            pack(&FilterStateInput { key: MARK.to_owned(), ..Default::default() }),
        )),
        matcher: Some(single_predicate::Matcher::ValueMatch(yes)),
    };
    let is_marked = Predicate { match_type: Some(MatchType::SinglePredicate(is_marked)) };
    let skip = Any { type_url: SKIP.to_owned(), value: Default::default() };
    let skip =
        OnMatch { on_match: Some(on_match::OnMatch::Action(extension("skip", skip))), ..Default::default() };
    let unmarked = FieldMatcher {
        predicate: Some(Predicate { match_type: Some(MatchType::NotMatcher(Box::new(is_marked))) }),
        on_match: Some(skip),
    };
    Matcher {
        matcher_type: Some(MatcherType::MatcherList(MatcherList { matchers: vec![unmarked] })),
        ..Default::default()
    }
}
