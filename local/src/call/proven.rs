//! Who stood at both ends of a connection with mutual TLS.
//!
//! In: `x-forwarded-client-cert` as the application saw it, which its sidecar wrote. Out: two SPIFFE ids.

/// Two SPIFFE ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Proven {
    /// Whom the client spoke to.
    pub(super) server: String,
    /// Who the client is.
    pub(super) client: String,
}

impl Proven {
    /// From the header's last element, which is of the last hop: `By=spiffe://...;Hash=...;URI=spiffe://...`.
    pub(super) fn of(header: &str) -> Option<Self> {
        let last = elements(header, ',').last()?;
        let field = |name: &str| {
            let mut fields = elements(last, ';').filter_map(|field| field.split_once('='));
            let (_, value) = fields.find(|(key, _)| key.trim().eq_ignore_ascii_case(name))?;
            Some(value.trim_matches('"').to_owned())
        };
        Some(Self { server: field("By")?, client: field("URI")? })
    }
}

/// Parts of a text, where separators in quotes separate nothing.
fn elements(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |character| {
        quoted ^= character == '"';
        character == separator && !quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_hop_counts() {
        let first = r#"By=spiffe://x/ns/a/sa/a;Hash=1;Subject="O=a;b,c";URI=spiffe://x/ns/b/sa/b"#;
        let header = format!("{first},By=spiffe://x/ns/c/sa/c;Hash=2;Subject=\"\";URI=spiffe://x/ns/d/sa/d");
        let of = |server: &str, client: &str| {
            Some(Proven {
                server: format!("spiffe://x/ns/{server}/sa/{server}"),
                client: format!("spiffe://x/ns/{client}/sa/{client}"),
            })
        };
        assert_eq!(Proven::of(first), of("a", "b"));
        assert_eq!(Proven::of(&header), of("c", "d"));
        assert_eq!(Proven::of("Hash=1"), None);
        assert_eq!(Proven::of(""), None);
    }
}
