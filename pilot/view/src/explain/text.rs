//! The explanation of a request for people: short, the answer last.

use super::{
    Endpoints, Explanation, HostTaken, ListenerTaken, ObjectAt, Outcome, RuleAt, RulePassed, Target,
};
use mesh_model::Source;
use std::fmt::{self, Display, Formatter};

/// Endpoints beyond these are counted.
const SHOWN_ENDPOINTS: usize = 8;

impl Display for Explanation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { from, request, listener, virtual_host, passed, rule, aborted, effects, outcome } = self;
        writeln!(f, "{request}\n  from {from}")?;
        if let Some(ListenerTaken { name, chain, why }) = listener {
            let chain = if chain == name { String::new() } else { format!(", chain {chain}") };
            writeln!(f, "listener {name}{chain}\n  {why}")?;
        }
        if let Some(HostTaken { route_configuration, name, domain, objects }) = virtual_host {
            writeln!(
                f,
                "virtual host {name} in route configuration {route_configuration}, by its domain {domain}"
            )?;
            for object in objects {
                writeln!(f, "  from {object}")?;
            }
        }
        for RulePassed { rule, because } in passed {
            writeln!(f, "not {rule}")?;
            for reason in because {
                writeln!(f, "  {reason}")?;
            }
        }
        if let Some(rule) = rule {
            writeln!(f, "rule {rule}")?;
        }
        for effect in effects {
            writeln!(f, "  {effect}")?;
        }
        if let Some(aborted) = aborted {
            writeln!(f, "  fault: {} of the requests are answered {}", aborted.percent, aborted.status)?;
        }
        outcome.fmt(f)
    }
}

impl Display for ObjectAt {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { object, source } = self;
        match source {
            Some(source @ Source::File { path: _, line: _ }) => write!(f, "{object} ({source})"),
            Some(Source::Cluster) | None => object.fmt(f),
        }
    }
}

impl Display for RuleAt {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { object, path, delegate, name } = self;
        let Some(object) = object else {
            return write!(f, "{name}: what a service without VirtualService has");
        };
        write!(f, "{path}")?;
        if !name.is_empty() {
            write!(f, " `{name}`")?;
        }
        write!(f, " of {object}")?;
        match delegate {
            Some((object, path)) => write!(f, ", handed over to {path} of {object}"),
            None => Ok(()),
        }
    }
}

impl Display for Outcome {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Redirected { status, location } => writeln!(f, "=> {status}, redirected to {location}"),
            Outcome::Answered { status, why } => writeln!(f, "=> {status}: {why}"),
            Outcome::Closed { why } => writeln!(f, "=> no connection: {why}"),
            Outcome::Forwarded(targets) => {
                let all: u64 = targets.iter().map(|target| u64::from(target.weight)).sum();
                targets.iter().try_for_each(|target| write_target(f, target, all))
            }
        }
    }
}

fn write_target(f: &mut Formatter<'_>, target: &Target, all: u64) -> fmt::Result {
    let Target { cluster, weight, subset, policy, config: _, settings, endpoints } = target;
    let share = match u64::from(*weight) == all {
        true => String::new(),
        false => format!("{weight} of {all} requests to "),
    };
    writeln!(f, "=> {share}cluster {cluster}")?;
    for object in policy {
        let subset = if subset.is_empty() { String::new() } else { format!("subset {subset}, ") };
        writeln!(f, "  policy: {subset}{object}")?;
    }
    for setting in settings {
        writeln!(f, "  {setting}")?;
    }
    let (what, list) = match endpoints {
        Endpoints::Original => return writeln!(f, "  to the address that the client connects to"),
        Endpoints::Named => return writeln!(f, "  to what DNS says of the name that is asked for"),
        Endpoints::Missing(why) => return writeln!(f, "  503: {why}"),
        Endpoints::Known(list) if list.is_empty() => return writeln!(f, "  503: it has no endpoints"),
        Endpoints::Known(list) => ("endpoint", list),
        Endpoints::Resolved(list) => ("what DNS says of", list),
    };
    for endpoint in list.iter().take(SHOWN_ENDPOINTS) {
        writeln!(f, "  {what} {endpoint}")?;
    }
    match list.len().saturating_sub(SHOWN_ENDPOINTS) {
        0 => Ok(()),
        more => writeln!(f, "  and {more} more"),
    }
}
