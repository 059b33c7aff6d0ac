//! Who may depend on whom.
//!
//! The table is in ARCHITECTURE.md, in a block that starts with ```` ```edges ````: a line for each crate of the
//! workspace, `crate -> crate, crate`, with all the crates of the workspace that it may reach, directly or through
//! others. Dependencies that only tests have are free, except on the test kit itself, which must not end up in a program.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::Finding;
use super::graph::Graph;

const TABLE_FILE: &str = "ARCHITECTURE.md";

const TEST_KIT: &str = "mesh-testkit";

/// Crates that are nothing but tests, measurements and tasks.
const MAY_USE_TEST_KIT: &[&str] = &["mesh-bench", "mesh-tests", "xtask"];

/// What a crate must not reach, in whatever way.
struct Ban {
    /// The crates that it is for; none: all.
    of: &'static [&'static str],
    /// All but these, if there are any.
    except: &'static [&'static str],
    /// Names, or beginnings of names that end in `*`.
    banned: &'static [&'static str],
    reason: &'static str,
    /// In tests neither.
    in_tests: bool,
}

const BANS: &[Ban] = &[
    Ban {
        of: &["mesh-model", "pilot-view"],
        except: &[],
        banned: &["tokio", "kube", "kube-*", "k8s-openapi"],
        reason: "the model and what is derived from it are pure: no runtime, no Kubernetes",
        in_tests: false,
    },
    Ban {
        of: &["pilot-envoy"],
        except: &[],
        banned: &["kube", "kube-*", "k8s-openapi"],
        reason: "Envoy messages are built from specs alone, without Kubernetes",
        in_tests: false,
    },
    Ban {
        of: &["pilot-xds"],
        except: &[],
        banned: &["mesh-proto", "kube", "kube-*"],
        reason: "xds knows bytes, names and versions, neither Envoy's types nor Kubernetes",
        in_tests: false,
    },
    Ban {
        of: &[],
        except: &[],
        banned: &["ring", "openssl-sys", "native-tls"],
        reason: "aws-lc-rs is the one crypto provider; a second one makes rustls panic",
        in_tests: true,
    },
    Ban {
        of: &[],
        except: &[
            "mesh-api",
            "mesh-lease",
            "citadel",
            "pilot-ingest",
            "pilot-status",
            "pilot",
            "meltemi",
            "meltemi-local",
            "mesh-testkit",
            "mesh-tests",
            "mesh-bench",
            "xtask",
        ],
        banned: &["k8s-openapi"],
        reason: "only mesh-api, ingest and the wiring above them know Kubernetes types",
        in_tests: false,
    },
];

type Table = BTreeMap<String, BTreeSet<String>>;

pub(super) fn check(root: &Path) -> Result<Vec<Finding>> {
    let graph = Graph::load(root)?;
    let mut findings = match read_table(root) {
        Ok(table) => check_table(&graph, &table),
        Err(error) => vec![Finding {
            place: TABLE_FILE.to_owned(),
            problem: format!("{error:#}"),
            remedy: "list the allowed dependencies there, in a block that starts with ```edges".to_owned(),
        }],
    };
    findings.extend(check_test_kit(&graph));
    findings.extend(check_bans(&graph));
    Ok(findings)
}

fn read_table(root: &Path) -> Result<Table> {
    parse_table(&fs::read_to_string(root.join(TABLE_FILE)).context("cannot be read")?)
}

fn parse_table(text: &str) -> Result<Table> {
    let mut table = Table::new();
    let block = text.lines().skip_while(|line| line.trim() != "```edges").skip(1);
    for line in block.take_while(|line| line.trim() != "```").map(str::trim).filter(|line| !line.is_empty()) {
        let Some((from, to)) = line.split_once("->") else {
            bail!("in the edges block, {line:?} is not of the form `crate -> crate, crate`");
        };
        let to = to.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
        if table.insert(from.trim().to_owned(), to).is_some() {
            bail!("the edges block has two lines for {}", from.trim());
        }
    }
    if table.is_empty() {
        bail!("it has no table of edges");
    }
    Ok(table)
}

fn check_table(graph: &Graph, table: &Table) -> Vec<Finding> {
    let mut findings = Vec::new();
    for name in table
        .iter()
        .flat_map(|(from, to)| to.iter().chain([from]))
        .filter(|name| !graph.members.contains(*name))
    {
        findings.push(Finding {
            place: TABLE_FILE.to_owned(),
            problem: format!("the edges block names {name}, which is not a crate of this workspace"),
            remedy: "take it out".to_owned(),
        });
    }
    for member in &graph.members {
        let Some(allowed) = table.get(member) else {
            findings.push(Finding {
                place: TABLE_FILE.to_owned(),
                problem: format!("the edges block has no line for {member}"),
                remedy: format!("add `{member} -> ` and what it may reach"),
            });
            continue;
        };
        for (reached, way) in graph.reach(member, false) {
            if graph.members.contains(reached) && !allowed.contains(reached) {
                findings.push(Finding {
                    place: member.clone(),
                    problem: format!("depends on {reached} (by way of {})", way.join(" -> ")),
                    remedy: format!(
                        "cut that, or add it to the edges in {TABLE_FILE} with a word in docs/adr/"
                    ),
                });
            }
        }
    }
    findings
}

fn check_test_kit(graph: &Graph) -> Vec<Finding> {
    let members = graph.members.iter().filter(|member| !MAY_USE_TEST_KIT.contains(&member.as_str()));
    let users = members.filter(|member| graph.direct(member).any(|to| to == TEST_KIT));
    users
        .map(|member| Finding {
            place: member.clone(),
            problem: format!("depends on {TEST_KIT} outside its tests"),
            remedy: "move it to [dev-dependencies]".to_owned(),
        })
        .collect()
}

fn check_bans(graph: &Graph) -> Vec<Finding> {
    let mut findings = Vec::new();
    for Ban { of, except, banned, reason, in_tests } in BANS {
        let concerned = |member: &&String| {
            (of.is_empty() || of.contains(&member.as_str())) && !except.contains(&member.as_str())
        };
        for member in graph.members.iter().filter(concerned) {
            for (reached, way) in graph.reach(member, *in_tests) {
                if banned.iter().any(|pattern| matches(pattern, reached)) {
                    findings.push(Finding {
                        place: member.clone(),
                        problem: format!("reaches {reached} (by way of {})", way.join(" -> ")),
                        remedy: format!("cut that: {reason}"),
                    });
                }
            }
        }
    }
    findings
}

fn matches(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |beginning| name.starts_with(beginning))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(findings: &[Finding]) -> Vec<String> {
        findings.iter().map(|finding| format!("{}: {}", finding.place, finding.problem)).collect()
    }

    #[test]
    fn an_edge_that_is_not_in_the_table_is_found_through_others_too() {
        let table = parse_table("text\n```edges\na -> b\nb -> c\n\nc ->\n```\nd -> e\n").unwrap();
        let graph = Graph::of(&["a", "b", "c"], &[("a", "b"), ("b", "x"), ("x", "c")], &[]);
        assert_eq!(problems(&check_table(&graph, &table)), ["a: depends on c (by way of b -> x -> c)"]);
    }

    #[test]
    fn tests_may_depend_on_anything() {
        let table = parse_table("```edges\na ->\nb ->\n```").unwrap();
        let graph = Graph::of(&["a", "b"], &[], &[("a", "b")]);
        assert_eq!(problems(&check_table(&graph, &table)), [""; 0]);
    }

    #[test]
    fn the_table_and_the_workspace_name_the_same_crates() {
        let table = parse_table("```edges\na ->\ngone ->\n```").unwrap();
        let found = problems(&check_table(&Graph::of(&["a", "new"], &[], &[]), &table));
        assert!(found[0].contains("gone") && found[1].contains("no line for new"), "{found:?}");
    }

    #[test]
    fn a_table_that_cannot_be_read_is_an_error() {
        assert!(parse_table("no block").is_err());
        assert!(parse_table("```edges\na b\n```").unwrap_err().to_string().contains("a b"));
        assert!(parse_table("```edges\na -> b\na -> c\n```").is_err());
    }

    #[test]
    fn the_test_kit_stays_in_tests() {
        let edges = [("b", TEST_KIT), ("xtask", TEST_KIT)];
        let found = check_test_kit(&Graph::of(&["a", "b", "xtask"], &edges, &[("a", TEST_KIT)]));
        assert_eq!(problems(&found), ["b: depends on mesh-testkit outside its tests"]);
    }

    #[test]
    fn bans_hold_through_other_crates() {
        let edges = [("pilot-view", "x"), ("x", "kube-core"), ("pilot", "kube-core")];
        let found = check_bans(&Graph::of(&["pilot-view", "pilot"], &edges, &[]));
        assert_eq!(problems(&found), ["pilot-view: reaches kube-core (by way of x -> kube-core)"]);
        let tests_too = check_bans(&Graph::of(&["pilot"], &[], &[("pilot", "ring")]));
        assert_eq!(problems(&tests_too), ["pilot: reaches ring (by way of ring)"]);
    }
}
