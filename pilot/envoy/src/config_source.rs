//! Where Envoy gets referenced resources from: always the stream it already has.

use crate::envoy::core;
use crate::value::duration;
use mesh_model::Duration;

/// "Over ADS, and wait for it": without an initial fetch timeout, Envoy would go on with nothing when it runs out.
pub(crate) fn ads() -> core::ConfigSource {
    core::ConfigSource {
        initial_fetch_timeout: Some(duration(Duration::ZERO)),
        resource_api_version: core::ApiVersion::V3 as i32,
        config_source_specifier: Some(core::config_source::ConfigSourceSpecifier::Ads(
            core::AggregatedConfigSource {},
        )),
        ..Default::default()
    }
}

/// "Over ADS, and not for ever": where a proxy may not have a secret, the other clusters must not wait with it. Connections that need it
/// fail until it comes.
pub(crate) fn ads_for_secrets() -> core::ConfigSource {
    core::ConfigSource { initial_fetch_timeout: None, ..ads() }
}
