//! Names that are in no map: a client asks for them, and what they stand for is found when it does.

use std::sync::Arc;

use crate::resource::{Resource, ResourceType};
use crate::snapshot::Snapshot;

use super::Context;

/// Finds what a name that is not in the maps stands for. Where the snapshot holds the canonical resource, its version counts: it
/// is the one whose clusters the client has.
pub(crate) fn find_on_demand(
    kind: ResourceType,
    snapshot: &Snapshot,
    name: &Arc<str>,
    context: &Context,
) -> Option<Arc<Resource>> {
    if let Some(resource) = snapshot.get(kind, name) {
        return Some(resource.clone());
    }
    let resource = context.resolver.resolve(kind, name)?;
    Some(snapshot.get(kind, resource.name()).cloned().unwrap_or(resource))
}
