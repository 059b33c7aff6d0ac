//! Unix domain sockets.

use crate::at::At;
use mesh_model::{Reason, Str};

/// What begins the address of one.
pub const SOCKET: &str = "unix:";

/// Linux has 108 bytes for a path (`sun_path`), and the last one ends it.
const LONGEST: usize = 107;

/// Reads `unix:///path` or `unix://@name`: the path, where `@` begins the name of an abstract socket. Nobody here looks at what is there: it
/// is in the file system, or the network namespace, of a workload.
pub fn parse_socket(text: &str, at: &At<'_>) -> Option<Str> {
    let names_one = |path: &&str| match path.strip_prefix('@') {
        Some(name) => !name.is_empty(),
        None => path.starts_with('/') && !path.ends_with('/'),
    };
    let path = text.strip_prefix(SOCKET).and_then(|rest| rest.strip_prefix("//"));
    let Some(path) = path.filter(names_one).filter(|path| !path.contains('\0')) else {
        at.error_hint(
            Reason::InvalidValue,
            format!("`{}` is not the path of a socket", text.escape_debug()),
            "write unix:///absolute/path or unix://@name",
        );
        return None;
    };
    if path.len() > LONGEST {
        at.error_hint(
            Reason::InvalidValue,
            format!("the path of a socket has at most {LONGEST} bytes, and this one has {}", path.len()),
            "write a shorter path",
        );
        return None;
    }
    Some(path.into())
}
