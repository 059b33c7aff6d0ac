//! Problems that a user does not want to hear of, by the codes that Istio's analyzers have for them.
//!
//! In: the annotation `galley.istio.io/analyze-suppress` of an object, or what a command line says. Out: which problems are not told. Istio
//! has a code for each kind of message; here a problem has a reason and a path, from which its codes follow.

use crate::nearest::nearest;
use mesh_model::{Kind, ObjectRef, Problem, Reason, Severity};
use serde_json::Value;
use std::{collections::BTreeSet, str::FromStr};

/// The annotation.
pub const ANNOTATION: &str = "galley.istio.io/analyze-suppress";

/// The codes that some problem may have.
const CODES: &[&str] = &[
    "IST0002", "IST0101", "IST0106", "IST0107", "IST0108", "IST0109", "IST0110", "IST0111", "IST0112",
    "IST0113", "IST0116", "IST0118", "IST0122", "IST0125", "IST0126", "IST0127", "IST0128", "IST0129",
    "IST0130", "IST0131", "IST0134", "IST0135", "IST0137", "IST0173", "IST0174",
];

/// Istio's codes for a problem of an object; several where Istio tells apart what is one here.
pub fn codes(kind: Kind, problem: &Problem) -> &'static [&'static str] {
    let Problem { path, severity, reason, message: _, hint: _ } = problem;
    let annotation = path.contains("annotations[");
    match (reason, kind) {
        (Reason::UnknownField, _) if annotation => &["IST0108"],
        (Reason::InvalidValue, _) if annotation && *severity == Severity::Info => &["IST0135"],
        (Reason::InvalidValue, _) if annotation => &["IST0107", "IST0125"],
        (Reason::InvalidValue, _) if path.ends_with(".regex") => &["IST0122", "IST0106"],
        (Reason::Deprecated, _) => &["IST0002"],
        (Reason::NotSupported, Kind::MeshConfig) if path.ends_with(".fromRegistry") => &["IST0126"],
        (Reason::Required, Kind::DestinationRule) if path.ends_with("tls.caCertificates") => {
            if path.contains("portLevelSettings") { &["IST0129"] } else { &["IST0128"] }
        }
        (Reason::Required, Kind::Service) if path == "spec.ports" => &["IST0118"],
        (Reason::Required, Kind::ServiceEntry) if path == "spec.addresses" => &["IST0134"],
        (
            Reason::Malformed
            | Reason::UnknownField
            | Reason::InvalidType
            | Reason::InvalidValue
            | Reason::Required,
            _,
        ) => &["IST0106"],
        (Reason::NotFound, _) if path == "spec.workloadSelector" || path == "spec.selector" => &["IST0127"],
        (Reason::NotFound, Kind::VirtualService) if path.ends_with("destination.port") => {
            &["IST0112", "IST0101"]
        }
        (Reason::NotFound, Kind::DestinationRule) if path == "spec.subsets" => &["IST0173", "IST0101"],
        (Reason::NotFound, Kind::DestinationRule) if path == "spec.host" => &["IST0174", "IST0101"],
        (Reason::NotFound, _) => &["IST0101"],
        (Reason::Conflict, Kind::VirtualService) if path == "spec.hosts" => &["IST0109"],
        (Reason::Conflict, Kind::Sidecar) if path == "spec.workloadSelector" => &["IST0110"],
        (Reason::Conflict, Kind::Sidecar) if path == "spec" => &["IST0111"],
        (Reason::Conflict, Kind::DestinationRule) if *severity == Severity::Error && is_tls(path) => {
            &["IST0113"]
        }
        (Reason::Conflict, Kind::Service) if *severity == Severity::Info => &["IST0137"],
        (Reason::Conflict, Kind::Service) => &["IST0116"],
        (Reason::Unreachable, Kind::VirtualService) if *severity == Severity::Info => &["IST0131"],
        (Reason::Unreachable, Kind::VirtualService) => &["IST0130"],
        (
            Reason::Conflict
            | Reason::Duplicate
            | Reason::NotSupported
            | Reason::Unusable
            | Reason::Unreachable
            | Reason::Rejected,
            _,
        ) => &[],
    }
}

/// Whether a path of a DestinationRule may be about what is spoken.
fn is_tls(path: &str) -> bool {
    ["spec.trafficPolicy.tls", "spec.trafficPolicy.portLevelSettings", "spec.subsets"].contains(&path)
}

/// What is not told of one object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Suppress {
    everything: bool,
    codes: BTreeSet<&'static str>,
}

impl Suppress {
    /// As the annotation of an object says, and what is wrong with that.
    pub fn of(value: &Value) -> (Self, Vec<Problem>) {
        let mut suppress = Self::default();
        let mut problems = Vec::new();
        let annotations = value.pointer("/metadata/annotations").and_then(Value::as_object);
        let text = annotations.and_then(|all| all.get(ANNOTATION)).and_then(Value::as_str);
        for word in text.unwrap_or_default().split(',').map(str::trim).filter(|word| !word.is_empty()) {
            match known(word) {
                _ if word == "*" => suppress.everything = true,
                Ok(code) => suppress.codes.extend(code),
                Err(hint) => {
                    let path = format!("metadata.annotations[{ANNOTATION:?}]");
                    let message = format!("`{word}` is no code of an analyzer");
                    problems.push(Problem::warning(Reason::InvalidValue, path, message).hint(hint));
                }
            }
        }
        (suppress, problems)
    }

    /// Whether a problem of an object of this kind is among them. What is wrong with the annotation itself is always told.
    pub fn covers(&self, kind: Kind, problem: &Problem) -> bool {
        let Self { everything, codes: suppressed } = self;
        let of_itself = problem.path.contains(ANNOTATION);
        !of_itself && (*everything || codes(kind, problem).iter().any(|code| suppressed.contains(code)))
    }
}

/// The code that `word` is; `None` inside for one of Istio's that nothing here has.
fn known(word: &str) -> Result<Option<&'static str>, String> {
    let upper = word.to_ascii_uppercase();
    let digits = upper.strip_prefix("IST").filter(|digits| digits.len() == 4);
    match CODES.iter().find(|code| **code == word) {
        Some(code) => Ok(Some(*code)),
        None if upper == word
            && digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit())) =>
        {
            Ok(None)
        }
        None => Err(match nearest(&upper, CODES.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None => "write codes such as IST0118, with commas between them, or `*` for all".to_owned(),
        }),
    }
}

/// What is not told of objects whose names are like a pattern: `CODE=KIND NAME.NAMESPACE`, where `*` stands for anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppression {
    code: &'static str,
    objects: String,
}

impl FromStr for Suppression {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let example =
            "write CODE=OBJECT, as in \"IST0118=Service web.shop\" or \"IST0101=VirtualService *.shop\"";
        let (code, objects) = text.split_once('=').ok_or_else(|| example.to_owned())?;
        let code = known(code)?.ok_or_else(|| format!("Meltemi never says {code}"))?;
        let objects = objects.trim();
        if objects.is_empty() {
            return Err(example.to_owned());
        }
        Ok(Self { code, objects: objects.to_owned() })
    }
}

impl Suppression {
    /// Whether a problem of `object` is not to be told.
    pub fn covers(&self, object: &ObjectRef, problem: &Problem) -> bool {
        let Self { code, objects } = self;
        let ObjectRef { kind, name } = object;
        let named = match name.namespace.is_empty() {
            true => format!("{kind} {}", name.name),
            false => format!("{kind} {}.{}", name.name, name.namespace),
        };
        codes(*kind, problem).contains(code) && is_like(&named, objects)
    }
}

/// Whether `text` is `pattern`, in which `*` stands for any text.
fn is_like(text: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn annotated(text: &str) -> (Suppress, Vec<Problem>) {
        Suppress::of(&json!({ "metadata": { "annotations": { ANNOTATION: text } } }))
    }

    #[test]
    fn by_annotation() {
        let missing = Problem::error(Reason::NotFound, "spec.http[0].route[0].destination.host", "nobody");
        let unnamed = Problem::new(Severity::Info, Reason::Required, "spec.ports", "no name");
        let (some, problems) = annotated("IST0118, IST0101,IST9999");
        assert!(problems.is_empty());
        assert!(some.covers(Kind::VirtualService, &missing) && some.covers(Kind::Service, &unnamed));
        assert!(!some.covers(Kind::Pod, &unnamed), "there it is another code");
        assert!(annotated("*").0.covers(Kind::Pod, &Problem::not_supported("spec.x")));
        let (none, problems) = annotated("ist0101,nonsense");
        assert!(!none.covers(Kind::VirtualService, &missing));
        assert_eq!(problems.len(), 2);
        assert_eq!(problems[0].hint.as_deref(), Some("did you mean IST0101?"));
        assert!(!annotated("*,nonsense").0.covers(Kind::VirtualService, &problems[1]));
        assert_eq!(Suppress::of(&json!({})), Default::default());
    }

    #[test]
    fn by_name() {
        let object = ObjectRef::new(Kind::VirtualService, "shop", "web");
        let missing = Problem::error(Reason::NotFound, "spec.http[0].route[0].destination.host", "nobody");
        let covers = |text: &str| text.parse::<Suppression>().unwrap().covers(&object, &missing);
        for text in
            ["IST0101=VirtualService web.shop", "IST0101=VirtualService *.shop", "IST0101=*", "IST0101=V*w*p"]
        {
            assert!(covers(text), "{text}");
        }
        for text in ["IST0102=*", "IST0101=VirtualService web", "IST0101=Service *", "IST0101=*.other"] {
            assert!(text.parse::<Suppression>().map_or(true, |_| !covers(text)), "{text}");
        }
        for bad in ["IST0101", "IST0101=", "nonsense=*", "IST0102=*"] {
            assert!(bad.parse::<Suppression>().is_err(), "{bad}");
        }
    }
}
