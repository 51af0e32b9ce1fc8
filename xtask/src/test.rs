//! `cargo xtask test`: every check, one after the other, with a table at the end.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use clap::Args;

use crate::workspace::{self, Workspace};
use crate::{deps, foreign, generated, links, package, readme, snapshots, tools};

/// Options of `cargo xtask test`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Go on after a check that failed
    #[arg(long)]
    keep_going: bool,
    /// Run only the named check; may be repeated
    #[arg(long, value_name = "CHECK")]
    only: Vec<String>,
    /// Name the checks and what each is for
    #[arg(long)]
    list: bool,
}

/// One check.
struct Step {
    name: &'static str,
    what: &'static str,
    run: fn(&Workspace) -> Result<()>,
}

/// In the order in which a mistake is found soonest.
const STEPS: &[Step] = &[
    Step { name: "tools", what: "what the checks need is here or installed", run: tools::all },
    Step { name: "format", what: "rustfmt would change nothing", run: format },
    Step { name: "deps", what: "no crate depends on what it must not", run: deps::run },
    Step { name: "links", what: "links between documents lead somewhere", run: links::run },
    Step { name: "clippy", what: "no warning in any target", run: clippy },
    Step { name: "tests", what: "unit, property and integration tests", run: tests },
    Step { name: "live", what: "managed mode as real processes, from the first code", run: live },
    Step { name: "doctests", what: "every example in the documentation runs", run: doc_tests },
    Step { name: "rustdoc", what: "documentation builds without a warning", run: rustdoc },
    Step { name: "snapshots", what: "no snapshot is pending or unused", run: snapshots::run },
    Step { name: "openapi", what: "the OpenAPI documents are up to date", run: openapi },
    Step { name: "tolerances", what: "the list of tolerances is up to date", run: tolerances },
    Step { name: "deny", what: "licences, bans and sources", run: deny },
    Step { name: "package", what: "every published crate builds as packaged", run: package::run },
    Step {
        name: "foreign",
        what: "foreign clients and servers get on with ours",
        run: foreign::run,
    },
    Step { name: "readme", what: "the two commands of the README work", run: readme::run },
];

/// The check that always comes last and looks at what the others did.
const CLEAN: &str = "clean";

/// How a check ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Passed(Duration),
    Failed(Duration),
    NotRun,
}

/// Runs the checks; the exit code says whether all of them passed.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<ExitCode> {
    if options.list {
        for step in STEPS {
            println!("{:<11} {}", step.name, step.what);
        }
        println!("{CLEAN:<11} git sees the same clone as before (always runs)");
        return Ok(ExitCode::SUCCESS);
    }
    let steps = chosen(&options.only)?;
    let before = workspace.git_status();
    let mut outcomes = Vec::new();
    let mut go_on = true;
    for (number, step) in steps.iter().enumerate() {
        if !go_on {
            outcomes.push((step.name, Outcome::NotRun));
            continue;
        }
        println!("\n=== {}/{} {}: {}", number + 1, steps.len() + 1, step.name, step.what);
        let outcome = timed(step.name, || (step.run)(workspace));
        go_on = options.keep_going || !matches!(outcome, Outcome::Failed(_));
        outcomes.push((step.name, outcome));
    }
    println!("\n=== {0}/{0} {CLEAN}: git sees the same clone as before", steps.len() + 1);
    let outcome = timed(CLEAN, || clean(before.as_deref(), workspace.git_status().as_deref()));
    outcomes.push((CLEAN, outcome));
    Ok(summary(&outcomes))
}

fn chosen(only: &[String]) -> Result<Vec<&'static Step>> {
    if let Some(unknown) = only.iter().find(|name| STEPS.iter().all(|step| step.name != **name)) {
        bail!("there is no check named {unknown}; `cargo xtask test --list` names them");
    }
    let wanted = |step: &&Step| only.is_empty() || only.iter().any(|name| name == step.name);
    Ok(STEPS.iter().filter(wanted).collect())
}

fn timed(name: &str, check: impl FnOnce() -> Result<()>) -> Outcome {
    let start = Instant::now();
    let result = check();
    let took = start.elapsed();
    match result {
        Ok(()) => {
            println!("--- {name} passed in {}", seconds(took));
            Outcome::Passed(took)
        }
        Err(error) => {
            println!("--- {name} FAILED after {}: {error:#}", seconds(took));
            Outcome::Failed(took)
        }
    }
}

/// Prints the table; its last line counts the checks.
fn summary(outcomes: &[(&str, Outcome)]) -> ExitCode {
    println!("\n=== summary");
    for (name, outcome) in outcomes {
        match outcome {
            Outcome::Passed(took) => println!("{name:<11} passed  {:>9}", seconds(*took)),
            Outcome::Failed(took) => println!("{name:<11} FAILED  {:>9}", seconds(*took)),
            Outcome::NotRun => println!("{name:<11} not run"),
        }
    }
    let count = |wanted: fn(&Outcome) -> bool| outcomes.iter().filter(|(_, o)| wanted(o)).count();
    let passed = count(|outcome| matches!(outcome, Outcome::Passed(_)));
    let failed = count(|outcome| matches!(outcome, Outcome::Failed(_)));
    let not_run = count(|outcome| matches!(outcome, Outcome::NotRun));
    if not_run > 0 {
        println!("{not_run} not run after the failure; --keep-going runs them all the same");
    }
    println!("{passed} passed, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

fn format(workspace: &Workspace) -> Result<()> {
    workspace::run(&mut workspace.cargo(&["fmt", "--all", "--check"]))
}

fn clippy(workspace: &Workspace) -> Result<()> {
    let args = ["clippy", "--workspace", "--all-targets", "--all-features", "--locked", "--quiet"];
    workspace::run(workspace.cargo(&args).args(["--", "--deny", "warnings"]))
}

fn tests(workspace: &Workspace) -> Result<()> {
    tools::nextest(workspace)?;
    let mut command =
        workspace.cargo(&["nextest", "run", "--workspace", "--all-features", "--locked"]);
    snapshots::observe(workspace, &mut command)?;
    workspace::run(&mut command)
}

/// The test that needs every program of the workspace, as the tests have built them.
fn live(workspace: &Workspace) -> Result<()> {
    tools::nextest(workspace)?;
    tools::curl(workspace)?;
    tools::directories(workspace)?;
    tools::faketime(workspace)?;
    let args = [
        "nextest",
        "run",
        "--workspace",
        "--all-features",
        "--locked",
        "--run-ignored",
        "only",
        "--no-capture",
        "--filterset",
        "package(scim-provisioning-service) & binary(live)",
    ];
    workspace::run(&mut workspace.cargo(&args))
}

fn doc_tests(workspace: &Workspace) -> Result<()> {
    let args = ["test", "--workspace", "--doc", "--all-features", "--locked", "--quiet"];
    workspace::run(&mut workspace.cargo(&args))
}

fn rustdoc(workspace: &Workspace) -> Result<()> {
    let args =
        ["doc", "--workspace", "--lib", "--no-deps", "--all-features", "--locked", "--quiet"];
    workspace::run(workspace.cargo(&args).env("RUSTDOCFLAGS", "-D warnings"))
}

fn openapi(workspace: &Workspace) -> Result<()> {
    generated::OPENAPI.run(workspace, false)?;
    generated::OPENAPI_SERVICE.run(workspace, false)
}

fn tolerances(workspace: &Workspace) -> Result<()> {
    generated::TOLERANCES.run(workspace, false)
}

fn deny(workspace: &Workspace) -> Result<()> {
    tools::deny(workspace)?;
    let args = ["deny", "--locked", "check", "bans", "licenses", "sources"];
    workspace::run(&mut workspace.cargo(&args))
}

fn clean(before: Option<&str>, after: Option<&str>) -> Result<()> {
    let (Some(before), Some(after)) = (before, after) else {
        println!("not a git clone, nothing to compare");
        return Ok(());
    };
    ensure!(before == after, "git status changed, from\n{before}to\n{after}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{STEPS, chosen, clean};
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_can_be_chosen() {
        let names: BTreeSet<_> = STEPS.iter().map(|step| step.name).collect();
        assert_eq!(names.len(), STEPS.len());
        let only = ["deny".to_owned(), "format".to_owned()];
        let picked: Vec<_> = chosen(&only).unwrap().iter().map(|step| step.name).collect();
        assert_eq!(picked, ["format", "deny"]);
        assert!(chosen(&["nonsense".to_owned()]).is_err());
    }

    #[test]
    fn a_file_left_behind_is_noticed() {
        assert!(clean(Some(" M a\n"), Some(" M a\n")).is_ok());
        assert!(clean(Some(""), Some("?? left-behind\n")).is_err());
        assert!(clean(None, None).is_ok());
    }
}
