//! Which crate may reach which: the layers of ARCHITECTURE.md as a table.
//!
//! What a crate reaches is asked of `cargo tree` for that crate alone, so that features another
//! member switches on do not count against it; who may name whom is read from the manifests.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::workspace::{self, Workspace};

/// What one crate must not reach through normal and build dependencies, however indirectly.
struct Rule {
    package: &'static str,
    forbidden: &'static [&'static str],
    /// Features that must stay off, as (crate, feature).
    features: &'static [(&'static str, &'static str)],
    why: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        package: "scim-core",
        forbidden: &[
            "axum",
            "getrandom",
            "hyper",
            "mio",
            "rand",
            "reqwest",
            "rusqlite",
            "socket2",
            "tokio",
            "tower",
            "tracing",
        ],
        features: &[("chrono", "clock"), ("chrono", "now"), ("uuid", "v7"), ("uuid", "v4")],
        why: "the core has no IO, no clock, no randomness and no async",
    },
    Rule {
        package: "scim-reference-server",
        forbidden: &[
            "ldap3",
            "scim-client",
            "scim-sync",
            "scim-sync-connectors",
            "scim-sync-link",
            "scim-sync-store",
        ],
        features: &[],
        why: "the server knows neither its clients nor the synchronisation",
    },
    Rule {
        package: "scim-client",
        forbidden: &["axum", "rusqlite", "scim-reference-server"],
        features: &[],
        why: "the client knows no server and no database",
    },
    Rule {
        package: "scim-conformance",
        forbidden: &["axum", "rusqlite", "scim-reference-server"],
        features: &[],
        why: "the suite must not know the server that it is tried on",
    },
    Rule {
        package: "scim-sync",
        forbidden: &[
            "axum",
            "getrandom",
            "hyper",
            "ldap3",
            "mio",
            "rand",
            "refinery",
            "reqwest",
            "rusqlite",
            "scim-client",
            "scim-reference-server",
            "scim-sync-connectors",
            "scim-sync-store",
            "socket2",
            "tokio",
            "tokio-postgres",
            "tracing",
        ],
        features: &[("chrono", "clock"), ("chrono", "now"), ("uuid", "v7"), ("uuid", "v4")],
        why: "the engine plans: no IO, no clock, no randomness, no runtime",
    },
    Rule {
        package: "scim-sync-store",
        forbidden: &[
            "axum",
            "hyper",
            "ldap3",
            "reqwest",
            "scim-client",
            "scim-reference-server",
            "scim-sync-connectors",
        ],
        features: &[("chrono", "clock"), ("chrono", "now")],
        why: "the state is kept, by whoever has the clock; no network beyond its database",
    },
    Rule {
        package: "scim-sync-connectors",
        forbidden: &["axum", "refinery", "rusqlite", "scim-reference-server", "scim-sync-store"],
        features: &[],
        why: "connectors know systems, not the state",
    },
    Rule {
        package: "scim-sync-link",
        forbidden: &[
            "axum",
            "ldap3",
            "refinery",
            "reqwest",
            "rusqlite",
            "scim-client",
            "scim-reference-server",
            "scim-sync",
            "scim-sync-connectors",
            "scim-sync-store",
            "tokio-postgres",
        ],
        features: &[],
        why: "the link carries requests and answers, and knows neither what they mean nor who asks",
    },
    Rule {
        package: "scim-postgres",
        forbidden: &["axum", "hyper", "scim-core", "scim-sync"],
        features: &[],
        why: "the way to a database knows nothing of what is kept there",
    },
    Rule {
        package: "scim-agent",
        forbidden: &["scim-reference-server", "tokio-postgres"],
        features: &[],
        why: "the agent knows its target by SCIM only",
    },
    Rule {
        package: "scim-provisioning-service",
        forbidden: &["ldap3", "scim-reference-server"],
        features: &[],
        why: "the service reaches directories through its agents, and its target by SCIM only",
    },
];

/// What nothing in the workspace may reach.
const BANNED: &[(&str, &str)] = &[
    ("ring", "one crypto provider for all: aws-lc-rs"),
    ("openssl-sys", "TLS is rustls"),
    ("native-tls", "TLS is rustls"),
];

/// Helpers that others may name only under `[dev-dependencies]`, with the exceptions.
const DEV_ONLY: &[(&str, &[&str])] = &[("testkit", &["xtask"]), ("xtask", &[])];

/// Checks every rule and reports all violations together.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let mut violations = Vec::new();
    for package in workspace.packages() {
        let name = package["name"].as_str().context("a package without a name")?;
        let reached = reached(workspace, name)?;
        violations.extend(broken_rules(name, &reached));
        violations.extend(named_too_openly(name, package));
    }
    if !violations.is_empty() {
        bail!("{} forbidden dependencies:\n  {}", violations.len(), violations.join("\n  "));
    }
    println!("{} rules hold", RULES.len() + BANNED.len() + DEV_ONLY.len());
    Ok(())
}

/// Every crate that a package reaches, with the features that are on.
type Reached = BTreeMap<String, Vec<String>>;

fn reached(workspace: &Workspace, package: &str) -> Result<Reached> {
    let tree = workspace::text_of(&mut workspace.cargo(&[
        "tree",
        "--locked",
        "--package",
        package,
        "--edges",
        "normal,build",
        "--prefix",
        "none",
        "--format",
        "{p}\t{f}",
    ]))?;
    Ok(parse_tree(&tree))
}

fn parse_tree(tree: &str) -> Reached {
    let mut reached = Reached::new();
    for line in tree.lines() {
        let (package, features) = line.split_once('\t').unwrap_or((line, ""));
        let Some(name) = package.split(' ').next().filter(|name| !name.is_empty()) else {
            continue;
        };
        // "(*)" marks a subtree that was printed before.
        let features = features.trim_end_matches("(*)").trim();
        let known = reached.entry(name.to_owned()).or_default();
        known.extend(features.split(',').filter(|f| !f.is_empty()).map(str::to_owned));
    }
    reached
}

fn broken_rules(package: &str, reached: &Reached) -> Vec<String> {
    let mut broken = Vec::new();
    let how = |name: &str| format!("(cargo tree -p {package} -e normal,build -i {name} shows how)");
    for (name, why) in BANNED {
        if reached.contains_key(*name) {
            broken.push(format!("{package} reaches {name}: {why} {}", how(name)));
        }
    }
    for rule in RULES.iter().filter(|rule| rule.package == package) {
        for name in rule.forbidden {
            if reached.contains_key(*name) {
                broken.push(format!("{package} reaches {name}: {} {}", rule.why, how(name)));
            }
        }
        for (name, feature) in rule.features {
            if reached.get(*name).is_some_and(|on| on.iter().any(|f| f == feature)) {
                broken.push(format!("{package} switches on {name}/{feature}: {}", rule.why));
            }
        }
    }
    broken
}

fn named_too_openly(package: &str, manifest: &Value) -> Vec<String> {
    let dependencies = manifest["dependencies"].as_array().into_iter().flatten();
    dependencies
        .filter(|dependency| dependency["kind"] != "dev")
        .filter_map(|dependency| dependency["name"].as_str())
        .filter(|name| {
            DEV_ONLY.iter().any(|(helper, except)| helper == name && !except.contains(&package))
        })
        .map(|name| format!("{package} names {name} outside [dev-dependencies]"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{broken_rules, named_too_openly, parse_tree};
    use serde_json::json;

    const TREE: &str = "scim-core v0.1.0 (/somewhere)\t\n\
                        chrono v0.4.45\talloc,serde,std\n\
                        chrono v0.4.45\talloc,serde,std (*)\n\
                        serde_derive v1.0.229 (proc-macro)\tdefault\n";

    #[test]
    fn an_innocent_tree_breaks_nothing() {
        assert!(broken_rules("scim-core", &parse_tree(TREE)).is_empty());
    }

    #[test]
    fn a_forbidden_crate_deep_in_the_tree_is_found() {
        let tree = parse_tree(&format!("{TREE}tokio v1.54.1\tdefault\n"));
        let broken = broken_rules("scim-core", &tree);
        assert_eq!(broken.len(), 1, "{broken:?}");
        assert!(broken[0].contains("scim-core reaches tokio"), "{broken:?}");
        assert!(broken_rules("scim-reference-server", &tree).is_empty());
    }

    #[test]
    fn a_forbidden_feature_is_found() {
        let tree = parse_tree(&TREE.replace("alloc,serde", "alloc,clock,serde"));
        assert!(broken_rules("scim-core", &tree)[0].contains("chrono/clock"));
    }

    #[test]
    fn a_second_crypto_provider_is_found_everywhere() {
        let tree = parse_tree("xtask v0.1.0\t\nring v0.17.14\tdefault\n");
        assert_eq!(broken_rules("xtask", &tree).len(), 1);
    }

    #[test]
    fn a_test_helper_stays_a_dev_dependency() {
        let manifest = |kind| json!({ "dependencies": [{ "name": "testkit", "kind": kind }] });
        assert!(named_too_openly("scim-core", &manifest(json!("dev"))).is_empty());
        assert_eq!(named_too_openly("scim-core", &manifest(json!(null))).len(), 1);
        assert!(named_too_openly("xtask", &manifest(json!(null))).is_empty());
    }
}
