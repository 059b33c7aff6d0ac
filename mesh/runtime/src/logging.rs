//! In: a format and a filter, from the process's arguments. Out: the process-wide `tracing` subscriber, on stderr or in
//! a file.
//! It reads no environment itself: whoever parses arguments decides where the filter comes from.

use std::{fmt, fs::File, io, str::FromStr, sync::Mutex};

use tracing_subscriber::{EnvFilter, fmt::writer::BoxMakeWriter, util::SubscriberInitExt};

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people: one line an event, coloured on a terminal.
    #[default]
    Text,
    /// For machines: one JSON object a line, with RFC 3339 time.
    Json,
}

impl FromStr for Format {
    type Err = LoggingError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(LoggingError::UnknownFormat(other.to_owned())),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The format is neither of those known.
    #[error("unknown log format `{0}`: use `text` or `json`")]
    UnknownFormat(String),
    /// The filter does not parse.
    #[error("log filter `{filter}`: {source}; write levels as in `info` or `info,pilot_xds=debug`")]
    Filter {
        /// As given.
        filter: String,
        /// What the parser said.
        source: tracing_subscriber::filter::ParseError,
    },
    /// A subscriber is there already.
    #[error("logging was already set up in this process")]
    AlreadySet,
}

/// Sends this process's events to stderr. `filter` is a `tracing` directive list such as `info,pilot_xds=debug`.
///
/// stdout stays free for a command's own output.
///
/// # Errors
/// When the filter does not parse, or when a subscriber was set before.
pub fn init(format: Format, filter: &str) -> Result<(), LoggingError> {
    let colour = io::IsTerminal::is_terminal(&io::stderr());
    start(format, filter, BoxMakeWriter::new(io::stderr), colour)
}

/// Sends this process's events to `file`, for a command that draws on the terminal itself.
///
/// # Errors
/// When the filter does not parse, or when a subscriber was set before.
pub fn init_file(format: Format, filter: &str, file: File) -> Result<(), LoggingError> {
    start(format, filter, BoxMakeWriter::new(Mutex::new(file)), false)
}

fn start(format: Format, filter: &str, writer: BoxMakeWriter, colour: bool) -> Result<(), LoggingError> {
    let filter = EnvFilter::try_new(filter)
        .map_err(|source| LoggingError::Filter { filter: filter.to_owned(), source })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    match format {
        Format::Text => builder.with_ansi(colour).finish().try_init(),
        Format::Json => builder.json().flatten_event(true).with_current_span(false).finish().try_init(),
    }
    .map_err(|_| LoggingError::AlreadySet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_round_trip() {
        for format in [Format::Text, Format::Json] {
            assert_eq!(format.to_string().parse::<Format>().unwrap(), format);
        }
        let error = "xml".parse::<Format>().unwrap_err().to_string();
        assert_eq!(error, "unknown log format `xml`: use `text` or `json`");
    }

    #[test]
    fn a_bad_filter_is_named_and_a_second_init_is_refused() {
        let error = init(Format::Text, "info,pilot=louder").unwrap_err();
        assert!(error.to_string().starts_with("log filter `info,pilot=louder`: "), "{error}");
        init(Format::Json, "warn").unwrap();
        assert!(matches!(init(Format::Text, "warn"), Err(LoggingError::AlreadySet)));
    }
}
