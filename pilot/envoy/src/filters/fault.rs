//! Fault injection: does nothing by itself; routes that have a `fault` configure it.

use super::Filter;
use crate::value::{duration, fraction};
use mesh_model::{Abort, AbortCode, Delay, Fault};
use mesh_proto::envoy::extensions::filters::common::fault::v3::{
    FaultDelay, fault_delay::FaultDelaySecifier,
};
use mesh_proto::envoy::extensions::filters::http::fault::v3::{
    FaultAbort, HttpFault, fault_abort::ErrorType,
};
use mesh_proto::pack;

/// Its name in the chain, and in the configuration of routes.
pub(crate) const NAME: &str = "envoy.filters.http.fault";

pub(super) const FILTER: Filter = Filter { name: NAME, build: |_| Some(pack(&HttpFault::default())) };

/// `fault` of a route; `None` when it does nothing.
pub(crate) fn build_fault(fault: &Fault) -> Option<HttpFault> {
    let Fault { delay, abort } = fault;
    // Envoy refuses a delay of no length.
    let delay = delay.as_ref().filter(|delay| !delay.fixed.is_zero()).map(build_delay);
    let abort = abort.as_ref().map(build_abort);
    (delay.is_some() || abort.is_some()).then(|| HttpFault { delay, abort, ..Default::default() })
}

fn build_delay(delay: &Delay) -> FaultDelay {
    let Delay { fixed, percent } = delay;
    FaultDelay {
        percentage: Some(fraction(*percent)),
        fault_delay_secifier: Some(FaultDelaySecifier::FixedDelay(duration(*fixed))),
    }
}

fn build_abort(abort: &Abort) -> FaultAbort {
    let Abort { code, percent } = abort;
    FaultAbort {
        percentage: Some(fraction(*percent)),
        error_type: Some(match code {
            AbortCode::Http(status) => ErrorType::HttpStatus((*status).into()),
            AbortCode::Grpc(status) => ErrorType::GrpcStatus(*status),
        }),
        ..Default::default()
    }
}
