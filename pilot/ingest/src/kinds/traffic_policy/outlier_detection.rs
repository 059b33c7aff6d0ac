//! `outlierDetection`.

use crate::{at::At, values::parse_positive_duration};
use mesh_api::networking::traffic_policy::outlier_detection as api;
use mesh_model::{OutlierDetection, Percent, Problem, Reason};

/// Reads the block.
pub fn parse_outlier_detection(block: api::OutlierDetection, at: &At<'_>) -> OutlierDetection {
    let api::OutlierDetection {
        consecutive_errors,
        split_external_local_origin_errors,
        consecutive_local_origin_failures,
        consecutive_gateway_errors,
        consecutive_5xx_errors,
        interval,
        base_ejection_time,
        max_ejection_percent,
        min_health_percent,
        outlier_detection_http_error_codes,
    } = block;
    if consecutive_errors.is_some() {
        let problem = Problem::not_supported(at.field("consecutiveErrors").path());
        at.report(problem.hint("write consecutiveGatewayErrors or consecutive5xxErrors"));
    }
    let split_local_origin = split_external_local_origin_errors.unwrap_or(false);
    if consecutive_local_origin_failures.is_some() && !split_local_origin {
        at.field("consecutiveLocalOriginFailures").warning_hint(
            Reason::Unreachable,
            "this has no effect while local errors count with the others",
            "set splitExternalLocalOriginErrors: true",
        );
    }
    OutlierDetection {
        consecutive_5xx: consecutive_5xx_errors,
        consecutive_gateway: consecutive_gateway_errors,
        consecutive_local_origin: consecutive_local_origin_failures,
        split_local_origin,
        interval: interval.and_then(|value| parse_positive_duration(value, &at.field("interval"))),
        base_ejection_time: base_ejection_time
            .and_then(|value| parse_positive_duration(value, &at.field("baseEjectionTime"))),
        max_ejection: parse_whole_percent(max_ejection_percent, &at.field("maxEjectionPercent")),
        min_health: parse_whole_percent(min_health_percent, &at.field("minHealthPercent")),
        error_codes: parse_error_codes(
            outlier_detection_http_error_codes,
            &at.field("outlierDetectionHttpErrorCodes"),
        ),
    }
}

/// A status that cannot be is left out; when none is left, 5xx count as always.
fn parse_error_codes(codes: Vec<u32>, at: &At<'_>) -> Vec<u16> {
    let parse = |(index, code)| match u16::try_from(code) {
        Ok(code) if (100..=599).contains(&code) => Some(code),
        _ => {
            at.index(index).error_hint(
                Reason::InvalidValue,
                format!("{code} is not an HTTP status"),
                "write one from 100 to 599",
            );
            None
        }
    };
    let mut codes: Vec<u16> = codes.into_iter().enumerate().filter_map(parse).collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

fn parse_whole_percent(value: Option<i32>, at: &At<'_>) -> Option<Percent> {
    let value = value?;
    let percent = u32::try_from(value).ok().and_then(Percent::from_whole);
    if percent.is_none() {
        at.error_hint(
            Reason::InvalidValue,
            format!("{value} is not a percentage"),
            "write a whole number from 0 to 100",
        );
    }
    percent
}
