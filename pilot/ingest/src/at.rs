//! A place in a user's object while it is parsed.
//!
//! In: steps from field to field. Out: problems with the path as the user wrote it. Costs nothing until there is a problem:
//! a place is a link to the place above it. Knows nothing of kinds.

use crate::{meta::DEFAULT_NAMESPACE, references::Reference};
use mesh_model::{Destination, MeshConfig, NamespacedName, Problem, Reason, Str};
use std::{cell::RefCell, fmt::Write, sync::Arc};

/// What parsing depends on besides the object: settings of this process, which never change.
#[derive(Debug, Clone)]
pub struct Context {
    /// Settings that hold where the ConfigMap says nothing; also the cluster's domain and the root namespace.
    pub mesh_config: Arc<MeshConfig>,
    /// Name of the ConfigMap with the mesh's settings; `None` when they were read from elsewhere.
    pub mesh_config_name: Option<Str>,
    /// Namespace of objects that name none.
    pub namespace: Str,
    /// Objects are a cluster's: Secrets and ConfigMaps are looked up when something names them, so that one that is not known may be there, and workloads
    /// register themselves. Otherwise all that there is is in files.
    pub is_cluster: bool,
}

impl Context {
    /// Whether the ConfigMap `name` has the settings of the mesh.
    pub fn has_settings(&self, name: &NamespacedName) -> bool {
        Some(&name.name) == self.mesh_config_name.as_ref()
            && name.namespace == self.mesh_config.root_namespace
    }
}

impl Default for Context {
    fn default() -> Self {
        Self {
            mesh_config: Arc::default(),
            mesh_config_name: Some("istio".into()),
            namespace: DEFAULT_NAMESPACE.into(),
            is_cluster: false,
        }
    }
}

/// One step from an object into a part of it.
#[derive(Debug, Clone, Copy)]
enum Step<'a> {
    Root,
    Field(&'a str),
    Index(usize),
}

/// What all places of one object share.
#[derive(Debug)]
pub struct Shared<'a> {
    context: &'a Context,
    /// Namespace of the object.
    namespace: &'a str,
    problems: RefCell<Vec<Problem>>,
    references: RefCell<Vec<Reference>>,
    undecodable: RefCell<Option<Problem>>,
}

/// What parsing an object found out besides its meaning.
#[derive(Debug)]
pub struct Finished {
    /// What is wrong, in the order of finding.
    pub problems: Vec<Problem>,
    /// What is referred to.
    pub references: Vec<Reference>,
    /// Why nothing could be made of the object at all.
    pub undecodable: Option<Problem>,
}

impl<'a> Shared<'a> {
    /// For an object of `namespace`.
    pub fn new(context: &'a Context, namespace: &'a str) -> Self {
        Self {
            context,
            namespace,
            problems: RefCell::default(),
            references: RefCell::default(),
            undecodable: RefCell::default(),
        }
    }

    /// Where everything begins.
    pub fn root(&self) -> At<'_> {
        At { above: None, step: Step::Root, shared: self }
    }

    /// What was found out.
    pub fn finish(self) -> Finished {
        Finished {
            problems: self.problems.into_inner(),
            references: self.references.into_inner(),
            undecodable: self.undecodable.into_inner(),
        }
    }
}

/// A place in an object.
#[derive(Debug, Clone, Copy)]
pub struct At<'a> {
    above: Option<&'a At<'a>>,
    step: Step<'a>,
    shared: &'a Shared<'a>,
}

impl<'a> At<'a> {
    /// The field or map key `name` below this place.
    pub fn field<'b>(&'b self, name: &'b str) -> At<'b> {
        At { above: Some(self), step: Step::Field(name), shared: self.shared }
    }

    /// The element `index` of the list at this place.
    pub fn index(&self, index: usize) -> At<'_> {
        At { above: Some(self), step: Step::Index(index), shared: self.shared }
    }

    /// DNS suffix of the cluster.
    pub fn domain(&self) -> &'a str {
        &self.shared.context.mesh_config.domain
    }

    /// What parsing depends on.
    pub fn context(&self) -> &'a Context {
        self.shared.context
    }

    /// Namespace of the object.
    pub fn namespace(&self) -> &'a str {
        self.shared.namespace
    }

    /// The path, such as `spec.http[0].match[1].headers["x-user.id"]`.
    pub fn path(&self) -> String {
        let mut path = self.above.map(At::path).unwrap_or_default();
        match self.step {
            Step::Root => {}
            Step::Field(name) => {
                let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
                if !name.is_empty() && name.bytes().all(plain) {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(name);
                } else {
                    // Writing to a String cannot fail.
                    let _ = write!(path, "[{name:?}]");
                }
            }
            Step::Index(index) => {
                let _ = write!(path, "[{index}]");
            }
        }
        path
    }

    /// Notes a problem that was made elsewhere.
    pub fn report(&self, problem: Problem) {
        self.shared.problems.borrow_mut().push(problem);
    }

    /// Nothing can be made of the object, because of `problem`.
    pub fn undecodable(&self, problem: Problem) {
        self.shared.undecodable.borrow_mut().get_or_insert(problem);
    }

    /// Notes that this place refers to `to`, whose existence is looked into when the whole mesh is known.
    pub fn refer(&self, to: &Destination) {
        let reference = Reference { path: self.path(), to: to.clone() };
        self.shared.references.borrow_mut().push(reference);
    }

    /// What is here cannot be used; `hint` says what to write instead. There is none without: whoever is told that something is wrong has to
    /// do something.
    pub fn error_hint(&self, reason: Reason, message: impl Into<String>, hint: impl Into<String>) {
        self.report(Problem::error(reason, self.path(), message).hint(hint));
    }

    /// What is here works, but hardly as meant; `hint` says what to write instead.
    pub fn warning_hint(&self, reason: Reason, message: impl Into<String>, hint: impl Into<String>) {
        self.report(Problem::warning(reason, self.path(), message).hint(hint));
    }

    /// What is here works, and elsewhere does not or means something else; `hint` says how it is written for both.
    pub fn info_hint(&self, reason: Reason, message: impl Into<String>, hint: impl Into<String>) {
        self.report(Problem::new(mesh_model::Severity::Info, reason, self.path(), message).hint(hint));
    }

    /// The field `name` below this place has no effect yet, if it is `set`.
    pub fn not_supported(&self, name: &str, set: bool) {
        if set {
            self.report(Problem::not_supported(self.field(name).path()));
        }
    }

    /// The field `name` below this place works, and is called otherwise today, if it is `set`.
    pub fn deprecated(&self, name: &str, set: bool, instead: &str) {
        if set {
            let (path, message) =
                (self.field(name).path(), "this field works, but is the older form of another");
            let problem = Problem::new(mesh_model::Severity::Info, Reason::Deprecated, path, message);
            self.report(problem.hint(format!("write {instead}")));
        }
    }

    /// How many problems there are so far, to see later whether parsing a part found one.
    pub fn errors(&self) -> usize {
        let problems = self.shared.problems.borrow();
        problems.iter().filter(|problem| problem.severity == mesh_model::Severity::Error).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_read_as_written() {
        let context = Context::default();
        let shared = Shared::new(&context, "default");
        let root = shared.root();
        let (spec, http) = ("spec", "http");
        let spec = root.field(spec);
        let http = spec.field(http);
        let first = http.index(0);
        let headers = first.field("headers");
        assert_eq!(headers.field("x-user").path(), "spec.http[0].headers.x-user");
        assert_eq!(headers.field("a.b").path(), "spec.http[0].headers[\"a.b\"]");
        assert_eq!(root.path(), "");
    }
}
