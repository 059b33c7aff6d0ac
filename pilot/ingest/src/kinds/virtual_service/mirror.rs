//! `mirror`, `mirrors` and how many requests they get copies of.

use super::destination::parse_destination;
use crate::{at::At, values::parse_percent};
use mesh_api::networking::virtual_service::{Percent as ApiPercent, mirror as api};
use mesh_model::{Mirror, Percent, Reason};

/// The percentage of `mirror`, which has three spellings; the newest that is there counts. One that cannot be used is nothing:
/// to copy every request instead could be more than the mirror bears.
pub fn parse_mirror_percent(
    percentage: Option<ApiPercent>,
    whole: Option<u32>,
    snake_case: Option<u32>,
    at: &At<'_>,
) -> Option<Percent> {
    at.deprecated("mirrorPercent", whole.is_some(), "mirrorPercentage: {value: ..}");
    at.deprecated("mirror_percent", snake_case.is_some(), "mirrorPercentage: {value: ..}");
    if let Some(percentage) = percentage {
        return Some(parse_percentage(percentage, &at.field("mirrorPercentage")).unwrap_or(Percent::NONE));
    }
    let (number, name) = match (whole, snake_case) {
        (Some(number), _) => (number, "mirrorPercent"),
        (None, Some(number)) => (number, "mirror_percent"),
        (None, None) => return None,
    };
    let parsed = Percent::from_whole(number);
    if parsed.is_none() {
        at.field(name).error_hint(
            Reason::InvalidValue,
            format!("{number} is not a percentage"),
            "write a whole number from 0 to 100",
        );
    }
    Some(parsed.unwrap_or(Percent::NONE))
}

/// Without a value it is zero.
fn parse_percentage(percentage: ApiPercent, at: &At<'_>) -> Option<Percent> {
    let ApiPercent { value } = percentage;
    parse_percent(value.unwrap_or(0.0), &at.field("value"))
}

/// Reads `mirrors`; one that cannot be used is left out, for the requests themselves are not its business.
pub fn parse_mirrors(mirrors: Vec<api::HttpMirrorPolicy>, at: &At<'_>) -> Vec<Mirror> {
    let parse = |(index, mirror): (usize, api::HttpMirrorPolicy)| {
        let at = at.index(index);
        let api::HttpMirrorPolicy { destination, percentage } = mirror;
        let percent = match percentage {
            Some(percentage) => parse_percentage(percentage, &at.field("percentage"))?,
            None => Percent::ALL,
        };
        let destination = parse_destination(destination, &at.field("destination"))?;
        Some(Mirror { destination, percent })
    };
    mirrors.into_iter().enumerate().filter_map(parse).collect()
}
