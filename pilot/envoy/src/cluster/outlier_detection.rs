//! `outlierDetection`: when an endpoint is ejected; the panic threshold, and how localities count.

use crate::envoy::cluster::Cluster;
use crate::envoy::cluster::cluster::CommonLbConfig;
use crate::envoy::cluster::cluster::common_lb_config::{
    LocalityConfigSpecifier, LocalityWeightedLbConfig, ZoneAwareLbConfig,
};
use crate::envoy::{cluster, wkt};
use crate::value::{duration, percent, uint32, whole_percent};
use mesh_model::{Duration, OutlierDetection, Percent};
use pilot_view::spec::Localities;

/// Applies the rules of ejection.
///
/// The panic threshold is set even without them: Envoy's default of 50% would send requests to pods that are not ready
/// as soon as half of a small service is.
pub(super) fn apply_outlier_detection(
    detection: Option<&OutlierDetection>,
    localities: Localities,
    cluster: &mut Cluster,
) {
    let min_health = detection.and_then(|detection| detection.min_health);
    cluster.common_lb_config = Some(CommonLbConfig {
        healthy_panic_threshold: Some(min_health.map(percent).unwrap_or_default()),
        locality_config_specifier: build_localities(localities),
        ..Default::default()
    });
    cluster.outlier_detection = detection.map(build_outlier_detection);
}

fn build_localities(localities: Localities) -> Option<LocalityConfigSpecifier> {
    let zone_aware = match localities {
        Localities::Usual => return None,
        Localities::Weighted => {
            let weighted = LocalityWeightedLbConfig::default();
            return Some(LocalityConfigSpecifier::LocalityWeightedLbConfig(weighted));
        }
        // Of no request.
        Localities::Ignored => {
            ZoneAwareLbConfig { routing_enabled: Some(percent(Percent::NONE)), ..Default::default() }
        }
        Localities::ZoneAware { min_cluster_size } => ZoneAwareLbConfig {
            min_cluster_size: min_cluster_size.map(|value| wkt::UInt64Value { value: value.into() }),
            ..Default::default()
        },
    };
    Some(LocalityConfigSpecifier::ZoneAwareLbConfig(zone_aware))
}

fn build_outlier_detection(detection: &OutlierDetection) -> cluster::OutlierDetection {
    let OutlierDetection {
        consecutive_5xx,
        consecutive_gateway,
        consecutive_local_origin,
        split_local_origin,
        interval,
        base_ejection_time,
        max_ejection,
        min_health: _,  // The panic threshold, above.
        error_codes: _, // Applied with the protocol.
    } = detection;
    let local_origin = consecutive_local_origin.filter(|count| *split_local_origin && *count > 0);
    cluster::OutlierDetection {
        consecutive_5xx: consecutive_5xx.and_then(uint32),
        enforcing_consecutive_5xx: consecutive_5xx.and_then(enforcing),
        consecutive_gateway_failure: consecutive_gateway.and_then(uint32),
        enforcing_consecutive_gateway_failure: consecutive_gateway.and_then(enforcing),
        split_external_local_origin_errors: *split_local_origin,
        consecutive_local_origin_failure: local_origin.and_then(uint32),
        enforcing_consecutive_local_origin_failure: local_origin.and_then(enforcing),
        // Istio has no success-rate ejection: off, for both kinds of failure.
        enforcing_success_rate: uint32(0),
        enforcing_local_origin_success_rate: if *split_local_origin { uint32(0) } else { None },
        interval: positive(*interval),
        base_ejection_time: positive(*base_ejection_time),
        max_ejection_percent: max_ejection.filter(|share| !Percent::is_zero(*share)).and_then(whole_percent),
        ..Default::default()
    }
}

/// Always when a number of failures is given, never when that number is zero.
fn enforcing(count: u32) -> Option<wkt::UInt32Value> {
    uint32(if count > 0 { 100 } else { 0 })
}

/// Envoy refuses intervals of no length.
fn positive(length: Option<Duration>) -> Option<wkt::Duration> {
    length.filter(|length| !length.is_zero()).map(duration)
}
