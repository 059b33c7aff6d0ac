//! When objects cannot be joined because Meltemi is wrong: the mesh stays as it was, and only what brought it on waits.
//!
//! In: the edits after which joining panicked. Out: a mesh of all objects with those of the edits that can be joined; the others mean what they
//! meant before, and say so. An object that waits is tried again when it is edited.

use super::{Dirty, Ingest};
use crate::{
    defect::guard,
    joins::Joins,
    local::Local,
    store::{Difference, Withheld},
};
use mesh_model::{ChangeSet, Mesh, Problem};
use std::sync::Arc;

/// Objects of one batch that are found guilty one by one. When there are more, all that are left wait: each costs joining everything again.
const MOST: usize = 8;

impl Ingest {
    /// The mesh without any object but what holds for all.
    pub(super) fn bare(&self) -> Arc<Mesh> {
        let mut mesh = Mesh::default();
        mesh.set_config((*self.context.mesh_config).clone(), &mut ChangeSet::default());
        Arc::new(mesh)
    }

    /// Takes back the edits that made these differences, and makes them again one by one.
    pub(super) fn recover(&mut self, differences: Vec<Difference>, defect: Problem) -> ChangeSet {
        for Difference { object, old, new: _ } in &differences {
            let withheld = Withheld { stand_in: old.clone(), defect: defect.clone() };
            self.store.withhold(object, withheld);
        }
        let mut changes = ChangeSet::default();
        if self.join_again().is_err() {
            return changes;
        }
        let mut guilty = 0;
        for Difference { object, old, new: _ } in differences {
            if guilty == MOST || self.is_torn {
                break;
            }
            let Some(difference) = self.store.release(&object) else { continue };
            match guard(|| self.assemble(vec![difference], Dirty::default())) {
                Ok(made) => changes.merge(made),
                Err(defect) => {
                    guilty += 1;
                    self.store.withhold(&object, Withheld { stand_in: old, defect });
                    // What it had been joined with is as before, and so is the mesh.
                    let _ = self.join_again();
                }
            }
        }
        changes
    }

    /// Joins everything from the beginning. When that fails, too, the last good mesh stays until something else is edited.
    pub(super) fn join_again(&mut self) -> Result<ChangeSet, Problem> {
        (self.joins, self.local) = (Joins::default(), Local::default());
        self.networks.clone_from(&self.context.mesh_config.networks);
        self.store.forget_joined();
        let bare = self.bare();
        let last_good = std::mem::replace(&mut self.mesh, bare);
        let new = |(object, model): (&_, &_)| Difference {
            object: Clone::clone(object),
            old: None,
            new: Some(Clone::clone(model)),
        };
        let all: Vec<_> = self.store.models().map(new).collect();
        let joined = guard(|| self.assemble(all, Dirty::default()));
        self.is_torn = joined.is_err();
        if self.is_torn {
            self.mesh = last_good;
        }
        joined.map(|changes| ChangeSet { everything: true, ..changes })
    }
}

#[cfg(test)]
mod tests {
    use crate::{Context, Edit, Ingest, Report, defect, kinds::Model, parse_file, store::Difference};
    use std::sync::Arc;

    fn service(name: &str, port: u16) -> String {
        format!(
            "---\napiVersion: v1\nkind: Service\nmetadata: {{ name: {name} }}\nspec: {{ ports: [{{ name: http, port: {port} }}] }}\n"
        )
    }

    fn file(ingest: &Ingest, text: &str) -> Edit {
        parse_file(&"a.yaml".into(), text.as_bytes(), ingest.context())
    }

    /// Has it that some versions of some services cannot be joined.
    fn trap(difference: &Difference) {
        if let Some(Model::Service(new)) = &difference.new {
            let service = &new.service;
            assert!(!service.host.as_str().starts_with("trap") || service.ports[0].number != 81, "boom");
        }
    }

    fn ports(ingest: &Ingest) -> Vec<String> {
        let shown = |service: &Arc<mesh_model::Service>| {
            format!("{} {}", service.host.as_str().split('.').next().unwrap(), service.ports[0].number)
        };
        ingest.mesh().services().map(shown).collect()
    }

    #[test]
    fn only_what_cannot_be_joined_waits() {
        let before = defect::count();
        let mut ingest = Ingest::new(Context::default());
        let first = [service("a", 80), service("trap", 80)].concat();
        ingest.apply(vec![file(&ingest, &first)]);
        assert_eq!(ports(&ingest), ["a 80", "trap 80"]);
        ingest.trap = Some(trap);
        // Of one batch, the others are made.
        let second = [service("a", 81), service("trap", 81), service("b", 81)].concat();
        let changes = ingest.apply(vec![file(&ingest, &second)]);
        assert_eq!(ports(&ingest), ["a 81", "b 81", "trap 80"], "the last good one stays in effect");
        let hosts: Vec<_> =
            changes.hosts.iter().map(|host| host.as_str().split('.').next().unwrap()).collect();
        assert_eq!(hosts, ["a", "b"]);
        assert_eq!(told_of(&ingest), ["Service default/trap"]);
        assert!(defect::count() > before);
        // It goes on, with what is edited in another object, too.
        let third = [service("a", 82), service("trap", 81)].concat();
        ingest.apply(vec![file(&ingest, &third)]);
        assert_eq!(ports(&ingest), ["a 82", "trap 80"]);
        assert_eq!(told_of(&ingest), ["Service default/trap"]);
        // Mended, it takes its place.
        ingest.trap = None;
        let fourth = [service("a", 82), service("trap", 83)].concat();
        ingest.apply(vec![file(&ingest, &fourth)]);
        assert_eq!(ports(&ingest), ["a 82", "trap 83"]);
        assert!(told_of(&ingest).is_empty());
        let mut fresh = Ingest::new(Context::default());
        fresh.apply(vec![file(&fresh, &fourth)]);
        let differs = fresh.mesh().changed_services(ingest.mesh()).count();
        assert_eq!(differs + fresh.mesh().changed_endpoints(ingest.mesh()).count(), 0);
    }

    /// Objects that are told to have met a defect.
    fn told_of(ingest: &Ingest) -> Vec<String> {
        let defect = |problem: &mesh_model::Problem| problem.message.contains("a defect of Meltemi");
        let entries = Report::new(&ingest.snapshot()).entries;
        let told = entries.iter().filter(|entry| entry.problems.iter().any(defect));
        told.filter_map(|entry| entry.object.as_ref()).map(ToString::to_string).collect()
    }

    #[test]
    fn at_the_start_what_cannot_be_joined_is_missing() {
        let mut ingest = Ingest::new(Context::default());
        ingest.trap = Some(trap);
        let names: Vec<String> = (0..12).map(|index| service(&format!("trap-{index}"), 81)).collect();
        let text = [service("a", 80), names.concat()].concat();
        ingest.apply(vec![file(&ingest, &text)]);
        assert_eq!(ports(&ingest), ["a 80"]);
        assert_eq!(told_of(&ingest).len(), 12);
    }
}
