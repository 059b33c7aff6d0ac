//! istiod's `--keepaliveMaxServerConnectionAge`: a length of time, or `infinity`.

use std::{str::FromStr, time::Duration};

use meltemi_local::duration::{ParseDurationError, parse_duration};

/// How old a connection may get; `None` is forever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionAge(pub Option<Duration>);

/// What Go prints for the largest duration, which istiod takes for infinity.
const GO_INFINITY: &str = "2562047h47m16.854775807s";

impl FromStr for ConnectionAge {
    type Err = ParseDurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "infinity" | GO_INFINITY => Ok(Self(None)),
            text => parse_duration(text).map(|age| Self(Some(age))),
        }
    }
}
