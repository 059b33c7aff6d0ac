//! The dependency graph, as `cargo tree` resolves it for this platform with all features.
//!
//! Not as `cargo metadata` does: that one also follows optional dependencies which no feature switches on.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Crates by name and what each depends on. Two versions of a crate are one here: what either reaches, the crate reaches.
#[derive(Debug, Default)]
pub(super) struct Graph {
    /// The crates of this workspace.
    pub members: BTreeSet<String>,
    edges: BTreeMap<String, BTreeSet<String>>,
    /// What only tests depend on.
    dev_edges: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    pub fn load(root: &Path) -> Result<Self> {
        Self::parse(&tree(root, "normal,build")?, &tree(root, "normal,build,dev")?)
    }

    /// From the tree without and the tree with the dependencies of tests.
    fn parse(without_dev: &str, with_dev: &str) -> Result<Self> {
        let mut graph = Self::default();
        for (from, to) in parents_and_children(without_dev)? {
            match from {
                Some(from) => graph.edges.entry(from.to_owned()).or_default().insert(to.to_owned()),
                None => graph.members.insert(to.to_owned()),
            };
        }
        for (from, to) in parents_and_children(with_dev)? {
            let Some(from) = from.filter(|from| graph.members.contains(*from)) else { continue };
            if !graph.direct(from).any(|known| known == to) {
                graph.dev_edges.entry(from.to_owned()).or_default().insert(to.to_owned());
            }
        }
        Ok(graph)
    }

    /// What a crate depends on directly, tests apart.
    pub fn direct(&self, from: &str) -> impl Iterator<Item = &str> {
        self.edges.get(from).into_iter().flatten().map(String::as_str)
    }

    /// All that a crate's own code reaches, each with the shortest way to it (without the crate itself). Of the crate,
    /// dependencies for tests count only if `with_dev`; of other crates never.
    pub fn reach(&self, from: &str, with_dev: bool) -> BTreeMap<&str, Vec<&str>> {
        let mut ways: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut queue: VecDeque<Vec<&str>> = VecDeque::new();
        let dev = self.dev_edges.get(from).filter(|_| with_dev).into_iter().flatten().map(String::as_str);
        queue.extend(self.direct(from).chain(dev).map(|next| vec![next]));
        while let Some(way) = queue.pop_front() {
            let Some(&reached) = way.last() else { continue };
            if reached == from || ways.contains_key(reached) {
                continue;
            }
            queue.extend(self.direct(reached).map(|next| way.iter().copied().chain([next]).collect()));
            ways.insert(reached, way);
        }
        ways
    }

    #[cfg(test)]
    pub fn of(members: &[&str], edges: &[(&str, &str)], dev_edges: &[(&str, &str)]) -> Self {
        let group = |edges: &[(&str, &str)]| {
            let mut out: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
            for (from, to) in edges {
                out.entry((*from).to_owned()).or_default().insert((*to).to_owned());
            }
            out
        };
        let members = members.iter().map(ToString::to_string).collect();
        Self { members, edges: group(edges), dev_edges: group(dev_edges) }
    }
}

fn tree(root: &Path, edges: &str) -> Result<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "--workspace", "--all-features", "--prefix=depth", "--format={p}", "--edges", edges])
        .current_dir(root)
        .output()
        .context("cannot run cargo tree")?;
    if !output.status.success() {
        bail!("cargo tree failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    String::from_utf8(output.stdout).context("cargo tree is not UTF-8")
}

/// The crate on each line and the one that it is under. A line is a depth and a crate, `2libc v0.2.1`; what is under a
/// crate is written out only where it first comes.
fn parents_and_children(tree: &str) -> Result<Vec<(Option<&str>, &str)>> {
    let mut above: Vec<&str> = Vec::new();
    let mut out = Vec::new();
    for line in tree.lines().filter(|line| !line.is_empty()) {
        let name_at = line.find(|character: char| !character.is_ascii_digit()).unwrap_or(line.len());
        let (depth, package) = line.split_at(name_at);
        let depth: usize = depth.parse().with_context(|| format!("cargo tree printed {line:?}"))?;
        let name = package.split(' ').next().unwrap_or(package);
        above.truncate(depth);
        out.push((above.last().copied(), name));
        above.push(name);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_read() {
        let without =
            "0a v0.1.0 (/a)\n1x v1.0.0\n2y v1.0.0\n1z v2.0.0\n\n0b v0.1.0 (/b)\n1a v0.1.0 (/a) (*)\n";
        let with = "0a v0.1.0 (/a)\n1x v1.0.0\n2y v1.0.0\n1z v2.0.0\n1t v1.0.0\n\n0b v0.1.0 (/b)\n1a v0.1.0 (/a) (*)\n";
        let graph = Graph::parse(without, with).unwrap();
        assert_eq!(graph.members.iter().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(graph.reach("b", true)["y"], ["a", "x", "y"]);
        assert_eq!(graph.reach("a", true).into_keys().collect::<Vec<_>>(), ["t", "x", "y", "z"]);
        assert!(!graph.reach("a", false).contains_key("t"));
        assert!(!graph.reach("b", true).contains_key("t"), "another crate's tests are not reached");
    }
}
