//! What a workload means by a name.
//!
//! In: the names of the mesh, where the workload stands, and a name as its resolver asks for it. Out: where it leads. Pure.
//!
//! Resolvers try a name with each of their search domains before they ask for the name itself. Asked for a name of the mesh with the
//! first search domain behind it, the answer is an alias for that name: the resolver need not ask again.

use std::borrow::Cow;

use super::names::{Entry, Table};

/// Where a workload stands among names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Zone {
    namespace: String,
    /// `svc.cluster.local`; empty where there is none.
    domain: String,
    /// The first search domain of its resolver.
    search: Option<String>,
}

/// What is known of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing is known of any name.
    NotYet,
    /// It is not for us to say.
    No,
    /// It leads here.
    Here(Entry),
    /// It is an alias for another name, which leads here.
    Alias(String, Entry),
}

impl Zone {
    /// A workload of `namespace`, whose own DNS domain is `domain` (`<namespace>.svc.cluster.local`) and whose resolver first tries the
    /// search domain `search`.
    pub fn new(namespace: &str, domain: &str, search: Option<&str>) -> Self {
        let domain = canonical(domain);
        let own = domain.strip_prefix(namespace).and_then(|rest| rest.strip_prefix('.'));
        Self {
            namespace: namespace.to_owned(),
            domain: own.unwrap_or(&domain).to_owned(),
            search: search.map(|search| canonical(search).into_owned()).filter(|search| !search.is_empty()),
        }
    }

    /// Whether `name` is `shortname` of `namespace` in this zone.
    pub(super) fn is_full_name(&self, name: &str, shortname: &str, namespace: &str) -> bool {
        let rest = name.strip_prefix(shortname).and_then(|rest| rest.strip_prefix('.'));
        let rest = rest.and_then(|rest| rest.strip_prefix(namespace)).and_then(|rest| rest.strip_prefix('.'));
        !shortname.is_empty() && !self.domain.is_empty() && rest == Some(&self.domain)
    }
}

/// A name as tables have it.
pub(super) fn canonical(name: &str) -> Cow<'_, str> {
    let name = name.strip_suffix('.').unwrap_or(name);
    match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(name.to_ascii_lowercase()),
        false => Cow::Borrowed(name),
    }
}

/// What `name`, which is canonical, leads to.
pub(super) fn find(table: &Table, zone: &Zone, name: &str) -> Found {
    if let Some(entry) = exactly(table, zone, name) {
        return Found::Here(entry.clone());
    }
    let searched =
        zone.search.as_ref().and_then(|search| name.strip_suffix(search.as_str())?.strip_suffix('.'));
    // A name that is searched for is more likely meant than one that a wildcard happens to cover.
    if let Some(meant) = searched
        && let Some(entry) = exactly(table, zone, meant)
    {
        return Found::Alias(meant.to_owned(), entry.clone());
    }
    if let Some(entry) = covering(table, name) {
        return Found::Here(entry.clone());
    }
    match searched.and_then(|meant| Some((meant, covering(table, meant)?))) {
        Some((meant, entry)) => Found::Alias(meant.to_owned(), entry.clone()),
        None => Found::No,
    }
}

/// The entry of this very name, or of the service that has it as a short name.
fn exactly<'t>(table: &'t Table, zone: &Zone, name: &str) -> Option<&'t Entry> {
    // Asked for as a name, a wildcard is none.
    let is_name = !name.is_empty() && !name.starts_with('*');
    if let Some(entry) = table.get(name).filter(|_| is_name) {
        return Some(entry);
    }
    let Zone { namespace, domain, search: _ } = zone;
    let (first, rest) = domain.split_once('.').unwrap_or((domain, ""));
    let of_service = |name: String| table.get(&*name).filter(|entry| entry.has_short_names);
    // `web.shop.svc`, `web.shop`, and `web` for those in `shop`.
    let below = name.strip_suffix(first).is_some_and(|rest| rest.ends_with('.'));
    let long = || below.then(|| format!("{name}.{rest}")).filter(|_| !rest.is_empty());
    long()
        .and_then(of_service)
        .or_else(|| of_service(format!("{name}.{domain}")))
        .or_else(|| of_service(format!("{name}.{namespace}.{domain}")))
        .filter(|_| is_name && !domain.is_empty())
}

/// The most specific wildcard above `name`.
fn covering<'t>(table: &'t Table, name: &str) -> Option<&'t Entry> {
    let mut rest = name;
    while let Some((_, parent)) = rest.split_once('.') {
        if let Some(entry) = table.get(&*format!("*.{parent}")) {
            return Some(entry);
        }
        rest = parent;
    }
    None
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn entry(last: u8, has_short_names: bool) -> Entry {
        Entry { v4: Box::new([Ipv4Addr::new(10, 0, 0, last)]), v6: Box::default(), has_short_names }
    }

    fn table() -> Table {
        [
            ("web.shop.svc.cluster.local", 1, true),
            ("web.other.svc.cluster.local", 2, true),
            ("db-0.db.shop.svc.cluster.local", 3, true),
            ("far.shop.svc.elsewhere.test", 4, false),
            ("api.example.com", 5, false),
            ("*.example.com", 6, false),
            ("*.deep.example.com", 7, false),
            ("web.other", 8, false),
        ]
        .map(|(name, last, short)| (name.into(), entry(last, short)))
        .into()
    }

    fn lead(name: &str) -> String {
        let zone = Zone::new("shop", "shop.svc.cluster.local", Some("shop.svc.cluster.local."));
        let last = |entry: &Entry| IpAddr::V4(entry.v4[0]).to_string();
        match find(&table(), &zone, &canonical(name)) {
            Found::NotYet => unreachable!(),
            Found::No => "-".to_owned(),
            Found::Here(entry) => last(&entry),
            Found::Alias(meant, entry) => format!("{meant} {}", last(&entry)),
        }
    }

    #[test]
    fn services_have_short_names() {
        for name in
            ["web.shop.svc.cluster.local", "WEB.Shop.svc.cluster.local.", "web.shop.svc", "web.shop", "web"]
        {
            assert_eq!(lead(name), "10.0.0.1", "{name}");
        }
        assert_eq!(lead("web.other.svc"), "10.0.0.2");
        assert_eq!(lead("web.other"), "10.0.0.8", "a name as it is comes before a short form");
        for name in ["db-0.db", "db-0.db.shop", "db-0.db.shop.svc"] {
            assert_eq!(lead(name), "10.0.0.3", "{name}");
        }
    }

    #[test]
    fn what_is_not_ours_is_not_answered() {
        for name in [
            "",
            "db-0",
            "other",
            "web.svc",
            "web.other.svc.cluster",
            "far.shop",
            "far",
            "example.com",
            "org",
            "local",
            "svc",
        ] {
            assert_eq!(lead(name), "-", "{name}");
        }
    }

    #[test]
    fn wildcards_cover_what_nothing_closer_has() {
        assert_eq!(lead("api.example.com"), "10.0.0.5");
        assert_eq!(lead("x.example.com"), "10.0.0.6");
        assert_eq!(lead("x.y.example.com"), "10.0.0.6");
        assert_eq!(lead("x.deep.example.com"), "10.0.0.7");
        assert_eq!(lead("*.example.com"), "10.0.0.6");
    }

    #[test]
    fn names_with_a_search_domain_behind_them_are_aliases() {
        assert_eq!(
            lead("web.shop.svc.cluster.local.shop.svc.cluster.local"),
            "web.shop.svc.cluster.local 10.0.0.1"
        );
        assert_eq!(lead("api.example.com.shop.svc.cluster.local"), "api.example.com 10.0.0.5");
        assert_eq!(lead("x.example.com.shop.svc.cluster.local"), "x.example.com 10.0.0.6");
        assert_eq!(
            lead("api.example.com.svc.cluster.local"),
            "-",
            "only the first search domain is tried first"
        );
    }

    #[test]
    fn without_a_domain_there_are_no_short_names() {
        let found = |name| find(&table(), &Zone::default(), name);
        assert_eq!(found("web"), Found::No);
        assert_eq!(found("web.shop.svc"), Found::No);
        assert!(matches!(found("api.example.com"), Found::Here(_)));
    }
}
