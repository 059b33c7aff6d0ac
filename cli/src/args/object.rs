//! How objects and their conditions are named on a command line: as kubectl does it.

use std::str::FromStr;

use mesh_model::Kind;
use pilot_ingest::{has_status, kinds::KINDS};
use pilot_status::ConditionType;

/// `KIND/NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectName {
    /// The kind.
    pub kind: Kind,
    /// The name.
    pub name: String,
}

/// Short names, as Istio's CRDs define them.
const SHORT: [(&str, Kind); 5] = [
    ("vs", Kind::VirtualService),
    ("dr", Kind::DestinationRule),
    ("se", Kind::ServiceEntry),
    ("we", Kind::WorkloadEntry),
    ("wg", Kind::WorkloadGroup),
];

impl FromStr for ObjectName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, name) = text.split_once('/').ok_or("write it as in `virtualservice/reviews`")?;
        let short = SHORT.iter().find(|(short, _)| *short == kind).map(|(_, kind)| *kind);
        let of_kind = |row: &&pilot_ingest::kinds::Row| {
            kind.eq_ignore_ascii_case(row.kind.as_str()) || kind == row.plural
        };
        let mut rows = KINDS.iter().filter(|row| has_status(row.kind));
        let known: Vec<&str> = rows.clone().map(|row| row.kind.as_str()).collect();
        let kind = short
            .or_else(|| rows.find(of_kind).map(|row| row.kind))
            .ok_or_else(|| format!("`{kind}` is none of the kinds with a status: {}", known.join(", ")))?;
        if name.is_empty() {
            return Err("the name is missing".to_owned());
        }
        Ok(Self { kind, name: name.to_owned() })
    }
}

/// `programmed`, `Programmed` or kubectl's `condition=Programmed`.
pub fn parse_condition(text: &str) -> Result<ConditionType, String> {
    let name = text.strip_prefix("condition=").unwrap_or(text).replace('-', "").to_lowercase();
    match name.as_str() {
        "accepted" => Ok(ConditionType::Accepted),
        "resolvedrefs" => Ok(ConditionType::ResolvedRefs),
        "programmed" => Ok(ConditionType::Programmed),
        _ => Err("write accepted, resolved-refs or programmed".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_by_any_of_their_names() {
        for text in ["vs/web", "virtualservice/web", "VirtualService/web", "virtualservices/web"] {
            let expected = ObjectName { kind: Kind::VirtualService, name: "web".to_owned() };
            assert_eq!(text.parse(), Ok(expected));
        }
        for text in ["web", "vs/", "service/web", "thing/web"] {
            assert!(text.parse::<ObjectName>().is_err(), "{text}");
        }
    }

    #[test]
    fn conditions_in_both_spellings() {
        assert_eq!(parse_condition("resolved-refs"), Ok(ConditionType::ResolvedRefs));
        assert_eq!(parse_condition("condition=Programmed"), Ok(ConditionType::Programmed));
        assert!(parse_condition("ready").is_err());
    }
}
