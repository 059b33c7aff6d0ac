//! `fault` of an HTTP route.

use crate::{
    at::At,
    values::{parse_percent, parse_positive_duration, parse_status},
};
use mesh_api::networking::virtual_service::fault as api;
use mesh_model::{Abort, AbortCode, Delay, Fault, Percent, Problem, Reason};

/// Reads the block; `None` when nothing of it has an effect.
pub fn parse_fault(fault: api::HttpFaultInjection, at: &At<'_>) -> Option<Fault> {
    let api::HttpFaultInjection { delay, abort } = fault;
    if delay.is_none() && abort.is_none() {
        at.warning_hint(
            Reason::Required,
            "there is neither a delay nor an abort; Istio refuses this",
            "write `delay` or `abort`, or leave `fault` out",
        );
    }
    let fault = Fault {
        delay: delay.and_then(|delay| parse_delay(delay, &at.field("delay"))),
        abort: abort.and_then(|abort| parse_abort(abort, &at.field("abort"))),
    };
    (fault.delay.is_some() || fault.abort.is_some()).then_some(fault)
}

fn parse_delay(delay: api::Delay, at: &At<'_>) -> Option<Delay> {
    let api::Delay { fixed_delay, exponential_delay, percent, percentage } = delay;
    at.not_supported("exponentialDelay", exponential_delay.is_some());
    at.deprecated("percent", percent.is_some(), "percentage: {value: ..}");
    let percent = match (percentage, percent) {
        (None, Some(whole)) => {
            let parsed = u32::try_from(whole).ok().and_then(Percent::from_whole);
            if parsed.is_none() {
                at.field("percent").error_hint(
                    Reason::InvalidValue,
                    format!("{whole} is not a percentage"),
                    "write a whole number from 0 to 100",
                );
            }
            parsed
        }
        (percentage, _) => parse_percentage(percentage, &at.field("percentage")),
    }?;
    let Some(fixed) = fixed_delay else {
        if exponential_delay.is_none() {
            at.field("fixedDelay").error_hint(
                Reason::Required,
                "how long is the delay?",
                "write one such as 100ms or 5s",
            );
        }
        return None;
    };
    Some(Delay { fixed: parse_positive_duration(fixed, &at.field("fixedDelay"))?, percent })
}

fn parse_abort(abort: api::Abort, at: &At<'_>) -> Option<Abort> {
    let api::Abort { http_status, grpc_status, http2_error, percentage } = abort;
    at.not_supported("http2Error", http2_error.is_some());
    let code = match (http_status, grpc_status) {
        (Some(_), Some(_)) => {
            at.error_hint(
                Reason::Conflict,
                "`httpStatus` and `grpcStatus` exclude each other",
                "leave one of the two out",
            );
            return None;
        }
        (Some(status), None) => AbortCode::Http(parse_status(status, &at.field("httpStatus"))?),
        (None, Some(status)) => AbortCode::Grpc(parse_grpc_status(&status, &at.field("grpcStatus"))?),
        (None, None) => {
            if http2_error.is_none() {
                at.error_hint(
                    Reason::Required,
                    "there is no status to abort with",
                    "set httpStatus or grpcStatus",
                );
            }
            return None;
        }
    };
    Some(Abort { code, percent: parse_percentage(percentage, &at.field("percentage"))? })
}

/// A fault without percentage happens to no request, in Istio as here; that is hardly what its author meant.
fn parse_percentage(percentage: Option<api::Percent>, at: &At<'_>) -> Option<Percent> {
    let Some(api::Percent { value }) = percentage else {
        at.report(
            Problem::warning(Reason::Required, at.path(), "without a percentage no request is affected")
                .hint("write percentage: {value: 100} for every request"),
        );
        return None;
    };
    parse_percent(value.unwrap_or(0.0), &at.field("value"))
}

/// gRPC's status codes, in order of their numbers.
const GRPC_STATUSES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

fn parse_grpc_status(text: &str, at: &At<'_>) -> Option<u32> {
    let by_number = text.parse::<u32>().ok().filter(|number| *number < 17);
    let by_name = || GRPC_STATUSES.iter().position(|name| *name == text).map(|index| index as u32);
    if let Some(name) = by_number.and_then(|number| GRPC_STATUSES.get(number as usize)) {
        at.info_hint(
            Reason::InvalidValue,
            format!("`{text}` is {name}; Istio knows it by its name only"),
            format!("for Istio write {name}"),
        );
    }
    let status = by_number.or_else(by_name);
    if status.is_none() {
        at.error_hint(
            Reason::InvalidValue,
            format!("`{text}` is not a gRPC status"),
            format!("write one of {}", GRPC_STATUSES.join(", ")),
        );
    }
    status
}
