//! Rules on the TLS settings of listeners: certificates come from one place.

use super::{Rule, has};

/// In the order in which Istio has them.
pub const ALL: [Rule; 3] = [NAMES_OR_CERTIFICATES, NAME_OR_NAMES, NAME_OR_CERTIFICATES];

/// Several Secrets or several files.
pub const NAMES_OR_CERTIFICATES: Rule = Rule {
    cel: "(has(self.tlsCertificates) ? 1 : 0) + (has(self.credentialNames) ? 1 : 0) <= 1",
    message: "only one of credentialNames or tlsCertificates can be set",
    expected: "at most one of credentialNames and tlsCertificates",
    holds: |value| !(has(value, "tlsCertificates") && has(value, "credentialNames")),
};

/// One Secret or several.
pub const NAME_OR_NAMES: Rule = Rule {
    cel: "(has(self.credentialName) ? 1 : 0) + (has(self.credentialNames) ? 1 : 0) <= 1",
    message: "only one of credentialName or credentialNames can be set",
    expected: "at most one of credentialName and credentialNames",
    holds: |value| !(has(value, "credentialName") && has(value, "credentialNames")),
};

/// One Secret or several files, so Istio's message says; its rule compares `credentialNames` once more. What
/// Istio accepts is accepted here, so the rule is kept as it is, and never the first to fail.
pub const NAME_OR_CERTIFICATES: Rule = Rule {
    cel: "(has(self.credentialNames) ? 1 : 0) + (has(self.tlsCertificates) ? 1 : 0) <= 1",
    message: "only one of credentialName or tlsCertificates can be set",
    expected: "at most one of credentialNames and tlsCertificates",
    holds: |_| true,
};
