//! Command operators in formats of access logs, and of headers: `%REQ(:PATH)%`.
//!
//! Envoy refuses a whole listener over one that it does not know, so they are read here as Envoy reads them.

use super::{cel::cel_fault, header::is_header_name};
use serde_json::Value;

/// What Envoy 1.40 knows and that takes no argument.
#[rustfmt::skip]
const PLAIN: &[&str] = &[
    "ACCESS_LOG_TYPE", "BYTES_RECEIVED", "BYTES_RETRANSMITTED", "BYTES_SENT", "CONNECTION_ID",
    "CONNECTION_TERMINATION_DETAILS", "CUSTOM_FLAGS", "DOWNSTREAM_CX_RTT",
    "DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED", "DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT",
    "DOWNSTREAM_DETECTED_CLOSE_TYPE", "DOWNSTREAM_DIRECT_LOCAL_ADDRESS",
    "DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID", "DOWNSTREAM_DIRECT_LOCAL_PORT", "DOWNSTREAM_DIRECT_REMOTE_ADDRESS",
    "DOWNSTREAM_DIRECT_REMOTE_PORT", "DOWNSTREAM_HANDSHAKE_DURATION", "DOWNSTREAM_HEADER_BYTES_RECEIVED",
    "DOWNSTREAM_HEADER_BYTES_SENT", "DOWNSTREAM_LOCAL_ADDRESS", "DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID",
    "DOWNSTREAM_LOCAL_CLOSE_REASON", "DOWNSTREAM_LOCAL_DNS_SAN", "DOWNSTREAM_LOCAL_EMAIL_SAN",
    "DOWNSTREAM_LOCAL_IP_SAN", "DOWNSTREAM_LOCAL_OTHERNAME_SAN", "DOWNSTREAM_LOCAL_PORT", "DOWNSTREAM_LOCAL_SUBJECT",
    "DOWNSTREAM_LOCAL_URI_SAN", "DOWNSTREAM_PEER_CERT", "DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1",
    "DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256", "DOWNSTREAM_PEER_CHAIN_SERIALS", "DOWNSTREAM_PEER_DNS_SAN",
    "DOWNSTREAM_PEER_EMAIL_SAN", "DOWNSTREAM_PEER_FINGERPRINT_1", "DOWNSTREAM_PEER_FINGERPRINT_256",
    "DOWNSTREAM_PEER_IP_SAN", "DOWNSTREAM_PEER_ISSUER", "DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256",
    "DOWNSTREAM_PEER_ISSUER_SERIAL", "DOWNSTREAM_PEER_OTHERNAME_SAN", "DOWNSTREAM_PEER_SERIAL",
    "DOWNSTREAM_PEER_SUBJECT", "DOWNSTREAM_PEER_URI_SAN", "DOWNSTREAM_REMOTE_ADDRESS", "DOWNSTREAM_REMOTE_PORT",
    "DOWNSTREAM_TLS_CIPHER", "DOWNSTREAM_TLS_GROUP", "DOWNSTREAM_TLS_SESSION_ID", "DOWNSTREAM_TLS_VERSION",
    "DOWNSTREAM_TRANSPORT_FAILURE_REASON", "DOWNSTREAM_WIRE_BYTES_RECEIVED", "DOWNSTREAM_WIRE_BYTES_SENT", "DURATION",
    "FILTER_CHAIN_NAME", "GRPC_STATUS", "GRPC_STATUS_NUMBER", "HOSTNAME", "LISTENER_NAME", "LOCAL_REPLY_BODY", "PATH",
    "PROTOCOL", "QUERY_PARAMS", "REQUESTED_SERVER_NAME", "REQUEST_DURATION", "REQUEST_HEADERS_BYTES",
    "REQUEST_TX_DURATION", "RESPONSE_CODE", "RESPONSE_DURATION", "RESPONSE_FLAGS", "RESPONSE_FLAGS_LONG",
    "RESPONSE_HEADERS_BYTES", "RESPONSE_TRAILERS_BYTES", "RESPONSE_TX_DURATION", "ROUNDTRIP_DURATION", "ROUTE_NAME",
    "ROUTE_RESOLUTION_COUNT", "ROUTE_RESOLUTION_TIME_US", "SPAN_ID", "STREAM_ID", "TLS_JA3_FINGERPRINT",
    "TLS_JA4_FINGERPRINT", "TRACE_ID", "UNIQUE_ID", "UPSTREAM_CLUSTER", "UPSTREAM_CLUSTER_RAW",
    "UPSTREAM_CONNECTION_ID", "UPSTREAM_CONNECTION_IDS_ATTEMPTED", "UPSTREAM_CONNECTION_POOL_READY_DURATION",
    "UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED", "UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT",
    "UPSTREAM_DETECTED_CLOSE_TYPE", "UPSTREAM_HEADER_BYTES_RECEIVED", "UPSTREAM_HEADER_BYTES_SENT", "UPSTREAM_HOST",
    "UPSTREAM_HOSTS_ATTEMPTED", "UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT", "UPSTREAM_HOST_NAME",
    "UPSTREAM_HOST_NAMES_ATTEMPTED", "UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT", "UPSTREAM_HOST_NAME_WITHOUT_PORT",
    "UPSTREAM_LOCAL_ADDRESS", "UPSTREAM_LOCAL_CLOSE_REASON", "UPSTREAM_LOCAL_DNS_SAN", "UPSTREAM_LOCAL_IP_SAN",
    "UPSTREAM_LOCAL_PORT", "UPSTREAM_LOCAL_URI_SAN", "UPSTREAM_PEER_CERT", "UPSTREAM_PEER_DNS_SAN",
    "UPSTREAM_PEER_IP_SAN", "UPSTREAM_PEER_ISSUER", "UPSTREAM_PEER_SUBJECT", "UPSTREAM_PEER_URI_SAN",
    "UPSTREAM_PROTOCOL", "UPSTREAM_REMOTE_ADDRESS", "UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID", "UPSTREAM_REMOTE_PORT",
    "UPSTREAM_REQUEST_ATTEMPT_COUNT", "UPSTREAM_SERVER_NAME", "UPSTREAM_TLS_CIPHER", "UPSTREAM_TLS_GROUP",
    "UPSTREAM_TLS_SESSION_ID", "UPSTREAM_TLS_VERSION", "UPSTREAM_TRANSPORT_FAILURE_REASON",
    "UPSTREAM_WIRE_BYTES_RECEIVED", "UPSTREAM_WIRE_BYTES_SENT", "VIRTUAL_CLUSTER_NAME",
];

/// What may have an argument.
const WITH_OR_WITHOUT: &[&str] = &[
    "DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_PEER_CERT_V_END",
    "DOWNSTREAM_PEER_CERT_V_START",
    "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
    "EMIT_TIME",
    "EMIT_TIME_LOCAL",
    "RESPONSE_CODE_DETAILS",
    "START_TIME",
    "START_TIME_LOCAL",
    "UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT",
    "UPSTREAM_PEER_CERT_V_END",
    "UPSTREAM_PEER_CERT_V_START",
    "UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
];

/// What is nothing without an argument.
const WITH_ARGUMENT: &[&str] = &[
    "CEL",
    "CLUSTER_METADATA",
    "COALESCE",
    "COMMON_DURATION",
    "DYNAMIC_METADATA",
    "ENVIRONMENT",
    "FILTER_STATE",
    "METADATA",
    "QUERY_PARAM",
    "REQ",
    "REQUEST_HEADER",
    "REQ_WITHOUT_QUERY",
    "RESP",
    "RESPONSE_HEADER",
    "RESPONSE_TRAILER",
    "TRAILER",
    "UPSTREAM_FILTER_STATE",
    "UPSTREAM_METADATA",
];

/// Whose value may be cut short: `%REQ(USER-AGENT):20%`.
const WITH_LENGTH: &[&str] = &[
    "CEL",
    "COALESCE",
    "DYNAMIC_METADATA",
    "ENVIRONMENT",
    "FILTER_STATE",
    "METADATA",
    "PATH",
    "QUERY_PARAM",
    "QUERY_PARAMS",
    "REQ",
    "REQUEST_HEADER",
    "REQ_WITHOUT_QUERY",
    "RESP",
    "RESPONSE_HEADER",
    "RESPONSE_TRAILER",
    "TRAILER",
    "UPSTREAM_FILTER_STATE",
];

/// Whose arguments only Envoy can judge: a slip in one would cost every listener.
const UNCHECKED: &[&str] = &["DYNAMIC_MODULE", "FILE_CONTENT", "SECRET"];

/// Commands that are extensions: others do not know them within themselves.
const EXTENSIONS: &[&str] = &["METADATA", "REQ_WITHOUT_QUERY"];

/// What `%METADATA(kind:..)%` knows.
const METADATA_KINDS: &[&str] =
    &["CLUSTER", "DYNAMIC", "LISTENER", "LISTENER_FILTER_CHAIN", "ROUTE", "UPSTREAM_HOST", "VIRTUAL_HOST"];

/// Where a format is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    Log,
    /// The value of a header that a route adds or sets.
    Header,
}

/// What Envoy would refuse in `format`, of an access log; `None`: nothing.
pub fn log_fault(format: &str) -> Option<String> {
    fault(format, Within::Log)
}

/// The same of the value of a header, for which it would refuse all routes beside it.
pub(super) fn header_fault(format: &str) -> Option<String> {
    fault(format, Within::Header)
}

fn fault(format: &str, within: Within) -> Option<String> {
    let mut rest = format;
    while let Some(begin) = rest.find('%') {
        let from = &rest[begin..];
        if let Some(after) = from.strip_prefix("%%") {
            rest = after;
            continue;
        }
        match parse_command(&from[1..], within) {
            Ok(after) => rest = after,
            Err(fault) => return Some(fault),
        }
    }
    None
}

/// Reads `NAME(argument):length%` and gives what follows it.
fn parse_command(text: &str, within: Within) -> Result<&str, String> {
    let is_name =
        |character: char| character.is_ascii_uppercase() || character.is_ascii_digit() || character == '_';
    let (name, rest) = text.split_at(text.find(|character| !is_name(character)).unwrap_or(text.len()));
    let shown: String = text.chars().take(24).collect();
    let (argument, rest) = match rest.strip_prefix('(') {
        None => (None, rest),
        Some(inner) => {
            // As Envoy's: up to the first parenthesis after which a command can end.
            let mut closing = inner.match_indices(')').map(|(at, _)| at);
            let close = closing.find(|at| parse_end(&inner[at + 1..]).is_some());
            let close = close.ok_or_else(|| format!("`%{shown}` has no end"))?;
            (Some(&inner[..close]).filter(|argument| !argument.is_empty()), &inner[close + 1..])
        }
    };
    let End { cut_short, rest } = parse_end(rest).ok_or_else(|| format!("`%{shown}` is no command"))?;
    match within {
        Within::Header if name == "REQ_WITHOUT_QUERY" => {
            return Err(format!("%{name}% is for access logs alone"));
        }
        // An older name of filter state; and what only Envoy can judge costs no listener here.
        Within::Header if name == "PER_REQUEST_STATE" && argument.is_some() => {}
        Within::Header if UNCHECKED.contains(&name) => {}
        Within::Header | Within::Log => check_command(name, argument, cut_short)?,
    }
    Ok(rest)
}

fn check_command(name: &str, argument: Option<&str>, cut_short: bool) -> Result<(), String> {
    let is = |names: &[&str]| names.contains(&name);
    if is(UNCHECKED) {
        return Err(format!("%{name}% cannot be checked, and a slip in it would stop every proxy"));
    }
    if !(is(PLAIN) || is(WITH_OR_WITHOUT) || is(WITH_ARGUMENT)) {
        return Err(format!("`%{name}%` is no command that Envoy knows"));
    }
    match argument {
        None if is(WITH_ARGUMENT) => return Err(format!("%{name}% needs an argument in parentheses")),
        Some(_) if is(PLAIN) => return Err(format!("%{name}% takes no argument")),
        Some(argument) => check_argument(name, argument)?,
        None => {}
    }
    if cut_short && !is(WITH_LENGTH) {
        return Err(format!("%{name}% takes no length"));
    }
    Ok(())
}

fn check_argument(name: &str, argument: &str) -> Result<(), String> {
    let mut parts = argument.split(':');
    let first = parts.next().unwrap_or_default();
    let fits = match name {
        "CEL" => return cel_fault(argument).map_or(Ok(()), Err),
        "COALESCE" => return check_alternatives(argument),
        // Points in time; those of other names are whatever filters call so.
        "COMMON_DURATION" => matches!(
            (parts.next(), parts.next(), parts.next()),
            (Some(_), None | Some("ms" | "us" | "ns"), None)
        ),
        "METADATA" => METADATA_KINDS.contains(&first),
        "FILTER_STATE" | "UPSTREAM_FILTER_STATE" if first.is_empty() => false,
        "FILTER_STATE" | "UPSTREAM_FILTER_STATE" => match (parts.next(), parts.next()) {
            (None | Some("PLAIN" | "TYPED"), None) => true,
            (Some("FIELD"), Some(field)) => !field.is_empty(),
            _ => false,
        },
        "REQ" | "REQUEST_HEADER" | "REQ_WITHOUT_QUERY" | "RESP" | "RESPONSE_HEADER" | "RESPONSE_TRAILER"
        | "TRAILER" => {
            argument.split('?').count() <= 2
                && argument.split('?').all(|name| name.is_empty() || is_header_name(name))
        }
        _ if is_time(name) => !breaks_line(argument),
        _ => true,
    };
    if fits { Ok(()) } else { Err(format!("`{argument}` is no argument of %{name}%")) }
}

/// Whether the argument says how a time is written.
fn is_time(name: &str) -> bool {
    ["START_TIME", "EMIT_TIME", "_V_START", "_V_END"].iter().any(|part| name.contains(part))
}

/// Whether `%n`, or the same with signs between the two, is in the format of a time.
fn breaks_line(format: &str) -> bool {
    let signs = |sign: char| "-_0^#123456789EO".contains(sign);
    format.split('%').skip(1).any(|part| part.trim_start_matches(signs).starts_with('n'))
}

/// JSON with commands, of which the first one with a value counts.
fn check_alternatives(argument: &str) -> Result<(), String> {
    let form =
        "%COALESCE% is written as {\"operators\": [\"PROTOCOL\", {\"command\": \"REQ\", \"param\": \"a\"}]}";
    let read = |text: &str| serde_json::from_str::<Value>(text).ok();
    let value = read(argument).ok_or(form)?;
    let operators = value.get("operators").and_then(Value::as_array).filter(|all| !all.is_empty());
    for operator in operators.ok_or(form)? {
        let text = |name: &str| operator.get(name).map(|value| value.as_str().ok_or(form)).transpose();
        let name = match operator.as_str() {
            Some(name) => name,
            None => text("command")?.ok_or(form)?,
        };
        let length = operator.get("max_length");
        if length
            .is_some_and(|length| !length.as_u64().is_some_and(|length| (1..1_000_000).contains(&length)))
        {
            return Err("max_length in %COALESCE% is a whole number from 1 on".to_owned());
        }
        // One in another is more than anybody needs, and has no end.
        if name == "COALESCE" || EXTENSIONS.contains(&name) {
            return Err(format!("%COALESCE% has no {name}"));
        }
        let argument = text("param")?.filter(|text| !text.is_empty());
        check_command(name, argument, length.is_some())?;
    }
    Ok(())
}

/// How a command ends.
struct End<'a> {
    cut_short: bool,
    rest: &'a str,
}

/// Reads `:length%` or `%`.
fn parse_end(text: &str) -> Option<End<'_>> {
    if let Some(rest) = text.strip_prefix('%') {
        return Some(End { cut_short: false, rest });
    }
    let digits = text.strip_prefix(':')?;
    let end =
        digits.find(|character: char| !character.is_ascii_digit()).filter(|end| (1..10).contains(end))?;
    Some(End { cut_short: true, rest: digits[end..].strip_prefix('%')? })
}

#[cfg(test)]
mod tests {
    use super::log_fault;

    // Each was given to an Envoy.
    #[test]
    fn commands_are_read_as_envoy_reads_them() {
        for good in [
            "",
            "no command, 100%%",
            "%START_TIME(%Y/%m/%dT%H:%M:%S%z)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH):10% %RESPONSE_CODE%",
            "%DYNAMIC_METADATA(com.test.my_filter:test_object:inner_key)%%PROTOCOL%",
            "%DURATION()%",
            "%REQUEST_HEADER(:METHOD)% %RESPONSE_HEADER(A):3% %RESPONSE_TRAILER(a?b)% %LISTENER_NAME%",
            "%CEL(request.headers['x-a'] == 'b' ? 1 : 2):10%",
            "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:ms)% %COMMON_DURATION(a:b)%",
            "%COALESCE({\"operators\": [\"PROTOCOL\", {\"command\": \"REQ\", \"param\": \"a\", \"max_length\": 5}]}):3%",
            "%COALESCE({\"operators\": [{\"command\": \"CEL\", \"param\": \"request.path\"}]})%",
        ] {
            assert_eq!(log_fault(good), None, "{good}");
        }
        for bad in [
            "50%",
            "%RESPONSE_COD%",
            "%REQ%",
            "%REQ()%",
            "%REQ(a%",
            "% REQ(a)%",
            "%PROTOCOL:%",
            "%PROTOCOL:3%",
            "%PROTOCOL(a)%",
            "%METADATA(FOO:a)%",
            "%FILTER_STATE(a:FOO)%",
            "%REQ(a):%",
            "%CEL(a b)%",
            "%CEL%",
            "%REQ(a:b)%",
            "%RESP(a b)%",
            "%TRAILER(a?b?c)%",
            "%START_TIME(%s%n)%",
            "%DOWNSTREAM_PEER_CERT_V_START(%-n)%",
            "%FILTER_STATE(:PLAIN)%",
            "%COMMON_DURATION(a:b:s)%",
            "%COMMON_DURATION(a)%",
            "%COMMON_DURATION(a:b:ms):5%",
            "%COALESCE(a)%",
            "%COALESCE({\"operators\": []})%",
            "%COALESCE({\"operators\": [\"REQ\"]})%",
            "%COALESCE({\"operators\": [\"METADATA\"]})%",
            "%COALESCE({\"operators\": [{\"command\": \"PROTOCOL\", \"max_length\": 5}]})%",
            "%COALESCE({\"operators\": [{\"command\": \"REQ\", \"param\": \"a\", \"max_length\": 0}]})%",
            "%COALESCE({\"operators\": [{\"command\": \"REQ\", \"param\": 1}]})%",
        ] {
            assert!(log_fault(bad).is_some(), "{bad}");
        }
    }
}
