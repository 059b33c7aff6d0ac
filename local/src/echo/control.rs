//! In: a request's query and headers. Out: how the client wants to be treated. A control that makes no sense is told
//! to the client rather than ignored: a test that provokes nothing would pass for the wrong reason.

use std::time::Duration;

use http::{HeaderMap, StatusCode};

use crate::duration::parse_duration;

/// The header that asks for a status: an HTTP one, or a gRPC code in gRPC calls.
pub(super) const STATUS_HEADER: &str = "x-echo-status";

const MAX_SIZE: usize = 16 << 20;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Control {
    pub(super) status: StatusCode,
    pub(super) delay: Duration,
    pub(super) size: usize,
}

/// Reads the controls. The header is the weaker one: a URL is what the author of a test sees.
pub(super) fn parse_control(query: Option<&str>, headers: &HeaderMap) -> Result<Control, String> {
    let mut control = Control { status: StatusCode::OK, delay: Duration::ZERO, size: 0 };
    if let Some(value) = headers.get(STATUS_HEADER) {
        let text = value.to_str().map_err(|_| format!("{STATUS_HEADER} is not text"))?;
        control.status = parse_status(text)?;
    }
    for pair in query.unwrap_or_default().split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match name {
            "status" => control.status = parse_status(value)?,
            "delay" => control.delay = parse_duration(value).map_err(|error| error.to_string())?,
            "size" => control.size = parse_size(value)?,
            // Everything else is the application's, and shown in the answer.
            _ => {}
        }
    }
    Ok(control)
}

fn parse_status(text: &str) -> Result<StatusCode, String> {
    let code = text.parse::<u16>().ok().filter(|code| (200..600).contains(code));
    let code = code.and_then(|code| StatusCode::from_u16(code).ok());
    code.ok_or_else(|| format!("status `{text}`: write a number from 200 to 599"))
}

fn parse_size(text: &str) -> Result<usize, String> {
    let size = text.parse::<usize>().ok().filter(|size| *size <= MAX_SIZE);
    size.ok_or_else(|| format!("size `{text}`: write a number of bytes up to {MAX_SIZE}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_request_may_ask_for() {
        let control = |query| parse_control(Some(query), &HeaderMap::new());
        assert_eq!(
            control("a=1&status=503&delay=200ms&size=3"),
            Ok(Control {
                status: StatusCode::SERVICE_UNAVAILABLE,
                delay: Duration::from_millis(200),
                size: 3
            })
        );
        for bad in ["status=1000", "status=", "delay=5", "size=-1", "size=99999999999"] {
            assert!(control(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_url_is_stronger_than_the_header() {
        let headers = HeaderMap::from_iter([(STATUS_HEADER.parse().unwrap(), "500".parse().unwrap())]);
        let status = |query| parse_control(query, &headers).unwrap().status.as_u16();
        assert_eq!(status(None), 500);
        assert_eq!(status(Some("status=404")), 404);
    }
}
