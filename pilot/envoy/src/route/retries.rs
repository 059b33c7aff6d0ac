//! `retries`: when and where a failed request is tried again.

use crate::envoy::route::RetryPolicy;
use crate::envoy::route::retry_policy::{
    RetryBackOff, RetryHostPredicate, RetryPriority, retry_host_predicate, retry_priority,
};
use crate::names::{PREVIOUS_HOSTS, PREVIOUS_PRIORITIES};
use crate::value::{duration, uint32};
use mesh_model::{Retries, RetryOn};
use mesh_proto::envoy::extensions::retry::host::previous_hosts::v3::PreviousHostsPredicate;
use mesh_proto::envoy::extensions::retry::priority::previous_priorities::v3::PreviousPrioritiesConfig;
use mesh_proto::pack;

/// How often Envoy looks for a host that was not tried before it takes one that was.
const HOST_SELECTION_ATTEMPTS: i64 = 5;

/// How many tries go to a priority before the next one is preferred.
const PRIORITY_UPDATE_FREQUENCY: i32 = 2;

/// The condition without which Envoy ignores a list of status codes.
const STATUS_CODES: &str = "retriable-status-codes";

/// The retry policy; `None` for no retries. With consistent hashing a retry goes to the same host: that is what it is for.
pub(super) fn build_retries(retries: &Retries, consistent_hash: bool) -> Option<RetryPolicy> {
    let Retries { attempts, per_try_timeout, on, remote_localities, ignore_previous_hosts, backoff } =
        retries;
    let RetryOn { conditions, status_codes } = on;
    (*attempts > 0).then(|| RetryPolicy {
        retry_on: build_conditions(conditions, status_codes),
        num_retries: uint32(*attempts),
        per_try_timeout: per_try_timeout.map(duration),
        retriable_status_codes: status_codes.iter().map(|code| u32::from(*code)).collect(),
        retry_host_predicate: if *ignore_previous_hosts && !consistent_hash {
            vec![other_hosts()]
        } else {
            Vec::new()
        },
        host_selection_retry_max_attempts: HOST_SELECTION_ATTEMPTS,
        retry_priority: remote_localities.then(other_localities),
        // Envoy refuses an interval of no length.
        retry_back_off: backoff
            .filter(|base| !base.is_zero())
            .map(|base| RetryBackOff { base_interval: Some(duration(base)), max_interval: None }),
        ..Default::default()
    })
}

fn build_conditions(conditions: &str, status_codes: &[u16]) -> String {
    match (conditions, status_codes) {
        ("", [_, ..]) => STATUS_CODES.to_owned(),
        (some, [_, ..]) if !some.split(',').any(|condition| condition == STATUS_CODES) => {
            format!("{some},{STATUS_CODES}")
        }
        (some, _) => some.to_owned(),
    }
}

fn other_hosts() -> RetryHostPredicate {
    RetryHostPredicate {
        name: PREVIOUS_HOSTS.to_owned(),
        config_type: Some(retry_host_predicate::ConfigType::TypedConfig(pack(&PreviousHostsPredicate {}))),
    }
}

fn other_localities() -> RetryPriority {
    let config = PreviousPrioritiesConfig { update_frequency: PRIORITY_UPDATE_FREQUENCY };
    RetryPriority {
        name: PREVIOUS_PRIORITIES.to_owned(),
        config_type: Some(retry_priority::ConfigType::TypedConfig(pack(&config))),
    }
}
