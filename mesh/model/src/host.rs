//! Host names as configuration uses them: exact or with a leading wildcard label.

use crate::Str;
use serde::Serialize;
use std::fmt;

/// A lower-case DNS name, or a wildcard: `*`, `*.example.com`, or Envoy's suffix form `*-x.example.com`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Host(Str);

impl Host {
    /// Takes `text` as a host; neither case nor a final dot matters here.
    pub fn new(text: &str) -> Self {
        let text = text.strip_suffix('.').unwrap_or(text);
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Self(text.to_ascii_lowercase().into())
        } else {
            Self(text.into())
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The shared text.
    pub fn to_shared(&self) -> Str {
        self.0.clone()
    }

    /// Whether it begins with `*`.
    pub fn is_wildcard(&self) -> bool {
        self.0.starts_with('*')
    }

    /// Whether every name that `other` stands for is one that `self` stands for.
    pub fn covers(&self, other: &Host) -> bool {
        match self.0.strip_prefix('*') {
            Some(suffix) => {
                let name = other.0.strip_prefix('*').unwrap_or(&other.0);
                // `*.a.com` does not cover `.a.com` itself but does cover `*.a.com` and `x.a.com`.
                name.ends_with(suffix) && (other.is_wildcard() || name.len() > suffix.len())
            }
            None => self == other,
        }
    }

    /// Whether some name is matched by both.
    pub fn overlaps(&self, other: &Host) -> bool {
        self.covers(other) || other.covers(self)
    }

    /// Itself, then each wildcard that covers it, most specific first: `a.b.c`, `*.b.c`, `*.c`, `*`.
    pub fn and_wildcards(&self) -> impl Iterator<Item = Host> + use<> {
        let text = self.as_str().to_owned();
        let mut rest = text.strip_prefix("*.").map_or(Some(text.clone()), |rest| Some(rest.to_owned()));
        let wildcards = std::iter::from_fn(move || {
            let current = rest.take()?;
            let (_, parent) = current
                .split_once('.')
                .map_or((current.as_str(), None), |(label, parent)| (label, Some(parent.to_owned())));
            rest = parent.clone();
            Some(match parent {
                Some(parent) => Host::new(&format!("*.{parent}")),
                None => Host::new("*"),
            })
        });
        let own = self.clone();
        let itself = own.clone();
        std::iter::once(own).chain(wildcards.filter(move |wildcard| *wildcard != itself))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Istio's rule for names without dots in `host:` fields: `reviews` means `reviews.<namespace>.svc.<domain>`.
pub fn resolve_short_name(text: &str, namespace: &str, domain: &str) -> Host {
    if text.contains('.') || text.starts_with('*') || text.is_empty() || text.contains(':') {
        Host::new(text)
    } else {
        Host::new(&format!("{text}.{namespace}.svc.{domain}"))
    }
}

/// The forms under which clients in `client_namespace` may call the Kubernetes service `name` of `namespace`.
pub struct ShortNameOf<'a> {
    /// Service name.
    pub name: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
}

impl ShortNameOf<'_> {
    /// The names besides the fully qualified one, longest last.
    pub fn names(&self, client_namespace: &str) -> Vec<Str> {
        let Self { name, namespace } = self;
        let mut names = Vec::with_capacity(3);
        if *namespace == client_namespace {
            names.push(Str::from(*name));
        }
        names.push(format!("{name}.{namespace}").into());
        names.push(format!("{name}.{namespace}.svc").into());
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_go_from_specific_to_general() {
        let of =
            |text: &str| Host::new(text).and_wildcards().map(|host| host.to_string()).collect::<Vec<_>>();
        assert_eq!(of("a.b.c"), ["a.b.c", "*.b.c", "*.c", "*"]);
        assert_eq!(of("*.b.c"), ["*.b.c", "*.c", "*"]);
        assert_eq!(of("a"), ["a", "*"]);
        assert_eq!(of("*"), ["*"]);
    }
}
