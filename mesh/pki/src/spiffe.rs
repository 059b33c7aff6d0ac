//! SPIFFE ids as Istio forms them: `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`.
//!
//! In: text from a certificate or from a token's claims. Out: an id that has exactly this form, or nothing: an id that is merely similar
//! must never name a workload.

use std::{fmt, str::FromStr};

use crate::Error;

const SCHEME: &str = "spiffe://";

/// Who a workload is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpiffeId {
    trust_domain: String,
    namespace: String,
    service_account: String,
}

impl SpiffeId {
    /// The id of a service account.
    ///
    /// # Errors
    /// When a part is empty or has characters that SPIFFE does not allow there, `/` above all.
    pub fn new(trust_domain: &str, namespace: &str, service_account: &str) -> Result<Self, Error> {
        // As Istio does: user-like domains, such as GCP's project@domain, keep working.
        let trust_domain = trust_domain.replace('@', ".");
        let domain_allows =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_');
        let path_allows = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let wrong = |part: &str, text: &str| {
            Error::unreadable("the SPIFFE id", format!("`{}` is no {part}", text.escape_debug()))
        };
        if trust_domain.is_empty() || trust_domain.len() > 255 || !trust_domain.chars().all(domain_allows) {
            return Err(wrong("trust domain", &trust_domain));
        }
        for (part, text) in [("namespace", namespace), ("service account", service_account)] {
            let dots = matches!(text, "." | "..");
            if text.is_empty() || text.len() > 253 || dots || !text.chars().all(path_allows) {
                return Err(wrong(part, text));
            }
        }
        Ok(Self {
            trust_domain,
            namespace: namespace.to_owned(),
            service_account: service_account.to_owned(),
        })
    }

    /// The mesh that it belongs to.
    pub fn trust_domain(&self) -> &str {
        &self.trust_domain
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The service account.
    pub fn service_account(&self) -> &str {
        &self.service_account
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trust_domain, namespace, service_account } = self;
        write!(f, "{SCHEME}{trust_domain}/ns/{namespace}/sa/{service_account}")
    }
}

impl FromStr for SpiffeId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let form = || {
            Error::unreadable("the SPIFFE id", "it is not of the form spiffe://domain/ns/namespace/sa/name")
        };
        let mut parts = text.strip_prefix(SCHEME).ok_or_else(form)?.split('/');
        let (Some(domain), Some("ns"), Some(namespace), Some("sa"), Some(account), None) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(form());
        };
        if domain.contains('@') {
            return Err(form());
        }
        Self::new(domain, namespace, account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_written_is_read() {
        let id = SpiffeId::new("cluster.local", "shop", "web").unwrap();
        assert_eq!(id.to_string(), "spiffe://cluster.local/ns/shop/sa/web");
        assert_eq!(id.to_string().parse::<SpiffeId>().unwrap(), id);
        assert_eq!(SpiffeId::new("a@b.c", "n", "s").unwrap().trust_domain(), "a.b.c");
    }

    #[test]
    fn what_is_merely_similar_is_nobody() {
        for text in [
            "",
            "spiffe://",
            "spiffe://d/ns/a/sa/",
            "spiffe://d/ns//sa/b",
            "spiffe:///ns/a/sa/b",
            "spiffe://d/ns/a/sa/b/",
            "spiffe://d/ns/a/sa/b/c",
            "spiffe://d/ns/../sa/b",
            "spiffe://d/ns/a/sa/b?x",
            "spiffe://d/ns/a/sa/b%2f",
            "spiffe://D/ns/a/sa/b",
            "spiffe://u@d/ns/a/sa/b",
            "spiffe://d:80/ns/a/sa/b",
            "SPIFFE://d/ns/a/sa/b",
            "https://d/ns/a/sa/b",
            "spiffe://d/ns/a/sa/b\0",
        ] {
            assert!(text.parse::<SpiffeId>().is_err(), "{text}");
        }
        assert!(SpiffeId::new("d", "a/sa/admin", "b").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_an_id_or_an_error(text in ".*") {
            if let Ok(id) = text.parse::<SpiffeId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
