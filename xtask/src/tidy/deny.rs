//! The rules of deny.toml, held without `cargo deny`: licences, banned crates, where crates come from, one version of what must be one.
//!
//! In: deny.toml, and `cargo tree` for the platforms that it names. Out: findings. `cargo deny check` reads the same file and knows more
//! (advisories, licence texts); it is built from 168 crates, which takes longer than all that it would check here.

mod licence;
mod policy;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Finding;
use licence::satisfied;
use policy::Policy;

const FILE: &str = "deny.toml";

/// Two versions of these are two crypto providers, or two that do not know each other's types.
const ONE_VERSION: &[&str] = &["aws-lc-rs", "aws-lc-sys", "rustls"];

/// A crate that is built, or whose build is needed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Package {
    name: String,
    version: String,
    /// Where it comes from, if that is not crates.io.
    origin: Option<String>,
    licence: String,
}

pub(super) fn check(root: &Path) -> Result<Vec<Finding>> {
    let text = fs::read_to_string(root.join(FILE)).context("deny.toml cannot be read")?;
    let policy = Policy::parse(&text)?;
    let packages = packages(&tree(root, &policy.targets)?, root)?;
    let mut findings = judge(&policy, &packages);
    if policy.denies_wildcards {
        findings.extend(wildcards(root)?);
    }
    Ok(findings)
}

/// What is wrong with these.
fn judge(policy: &Policy, packages: &BTreeSet<Package>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |package: &Package, problem: String, remedy: &str| {
        let place = format!("{} {}", package.name, package.version);
        findings.push(Finding { place, problem, remedy: remedy.to_owned() });
    };
    let mut versions: BTreeMap<&str, &Package> = BTreeMap::new();
    for package in packages {
        let Package { name, version: _, origin, licence } = package;
        if let Some(reason) = policy.banned.get(name) {
            find(package, format!("is banned in {FILE}"), reason);
        }
        if let Some(origin) = origin {
            find(package, format!("comes from {origin}"), "take it from crates.io");
        }
        if ONE_VERSION.contains(&name.as_str())
            && let Some(other) = versions.insert(name, package)
        {
            find(package, format!("is there in version {}, too", other.version), "bring both to one version");
        }
        let allowed = policy.allowed(name);
        match satisfied(licence, |id| allowed.contains(id)) {
            Ok(true) => {}
            Ok(false) => find(
                package,
                format!("has the licence `{licence}`, which {FILE} does not allow"),
                "do without it, or allow the licence with a word in docs/adr/",
            ),
            Err(error) => {
                find(package, format!("says `{licence}` of its licence: {error}"), "look what it means")
            }
        }
    }
    findings
}

/// Dependencies of this workspace on whatever version there is.
fn wildcards(root: &Path) -> Result<Vec<Finding>> {
    let text = fs::read_to_string(root.join("Cargo.toml"))?;
    let any = text.lines().filter(|line| {
        let line: String = line.split_whitespace().collect();
        line.contains("=\"*\"")
    });
    let finding = |line: &str| Finding {
        place: "Cargo.toml".to_owned(),
        problem: format!("`{}` takes any version", line.trim()),
        remedy: "name the one that it was written for".to_owned(),
    };
    Ok(any.map(finding).collect())
}

fn tree(root: &Path, targets: &[String]) -> Result<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["tree", "--workspace", "--all-features", "--edges=normal,build,dev", "--prefix=none"]);
    command.arg("--format={p}|{l}");
    targets.iter().for_each(|target| {
        command.arg(format!("--target={target}"));
    });
    let output = command.current_dir(root).output().context("cannot run cargo tree")?;
    if !output.status.success() {
        bail!("cargo tree failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    String::from_utf8(output.stdout).context("cargo tree is not UTF-8")
}

/// The crates of others on lines such as `syn v2.0.1 (proc-macro)|MIT OR Apache-2.0 (*)`.
fn packages(tree: &str, root: &Path) -> Result<BTreeSet<Package>> {
    let ours = format!("({}", root.canonicalize().unwrap_or(root.to_path_buf()).display());
    let mut packages = BTreeSet::new();
    for line in tree.lines().filter(|line| !line.is_empty()) {
        let line = line.strip_suffix(" (*)").unwrap_or(line);
        let parts = line.split_once('|').and_then(|(package, licence)| {
            let (name, rest) = package.split_once(" v")?;
            Some((name, rest, licence))
        });
        let (name, rest, licence) = parts.with_context(|| format!("cargo tree printed {line:?}"))?;
        let (version, origin) = rest.split_once(' ').unwrap_or((rest, ""));
        let origin = origin.replace("(proc-macro)", "").trim().to_owned();
        if origin.starts_with(&ours) {
            continue;
        }
        packages.insert(Package {
            name: name.to_owned(),
            version: version.to_owned(),
            origin: (!origin.is_empty()).then_some(origin),
            licence: licence.to_owned(),
        });
    }
    Ok(packages)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = r#"
[graph]
targets = ["x86_64-unknown-linux-gnu"]
[licenses]
allow = [
    "Apache-2.0", # the usual one
    "MIT",
]
exceptions = [{ crate = "imbl", allow = ["MPL-2.0"] }]
[bans]
wildcards = "deny"
deny = [
    { crate = "ring", reason = "use aws-lc-rs" },
]
[sources]
unknown-registry = "deny"
unknown-git = "deny"
"#;

    fn found(tree: &str) -> Vec<String> {
        let packages = packages(tree, Path::new("/here")).unwrap();
        let found = judge(&Policy::parse(POLICY).unwrap(), &packages);
        found.iter().map(|finding| format!("{} {}", finding.place, finding.problem)).collect()
    }

    #[test]
    fn what_is_allowed_is_passed_over() {
        let tree = "a v1.0.0|MIT/Apache-2.0\nb v1.0.0 (proc-macro)|MIT (*)\nimbl v7.0.0|MPL-2.0+\nour v0.1.0 (/here/our)|\n\n";
        assert_eq!(found(tree), [""; 0]);
    }

    #[test]
    fn each_rule_finds_its_breach() {
        assert_eq!(found("ring v0.17.0|ISC AND MIT").len(), 2, "banned, and a licence that is not allowed");
        assert_eq!(
            found("other v1.0.0|MPL-2.0"),
            ["other 1.0.0 has the licence `MPL-2.0`, which deny.toml does not allow"]
        );
        assert_eq!(found("no v1.0.0|").len(), 1, "a crate without a licence");
        let git = found("a v1.0.0 (https://example.com/a#12345678)|MIT");
        assert_eq!(git, ["a 1.0.0 comes from (https://example.com/a#12345678)"]);
        let two = found("rustls v0.22.0|MIT\nrustls v0.23.0|MIT");
        assert_eq!(two, ["rustls 0.23.0 is there in version 0.22.0, too"]);
    }
}
