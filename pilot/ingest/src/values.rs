//! Values that many fields share: text, numbers and times in, checked model values out.
//!
//! Each function reads one value, says at its place what is wrong with it, and gives `None` when it cannot be used. What
//! to do without the value is decided by whoever asked for it.

mod cel;
mod header;
mod host;
mod labels;
mod log;
mod number;
mod range;
mod regex;
mod socket;
mod time;

pub use header::{is_header_name, parse_header_format, parse_header_name, parse_header_value};
pub use host::{
    parse_default_export, parse_dns_name, parse_export_to, parse_export_to_clients, parse_host,
    parse_source_namespace,
};
pub use labels::{check_labels, parse_labels, parse_selector, parse_workload_selector, shared_labels};
pub use log::log_fault;
pub use number::{parse_percent, parse_port, parse_status, read_switch};
pub use range::{parse_range, read_range};
pub use regex::parse_regex;
pub use socket::{SOCKET, parse_socket};
pub use time::{parse_duration, parse_positive_duration, parse_timestamp, read_duration};
