//! The report as Markdown, short enough for a comment on a pull request.

use super::text::{cut, harmless};
use super::{Conclusion, Ended, Outcome, Report};
use crate::requirement::Requirement;

/// Checks that are shown in the table of what to mend; a comment has 65,536 characters at the most.
const MOST: usize = 25;

/// Characters of a cell.
const CELL: usize = 200;

/// Characters of a command.
const COMMAND: usize = 1000;

/// The report as Markdown. Text of the target stands in code spans or is escaped, so that it can neither be markup nor
/// call somebody.
#[must_use]
pub fn render(report: &Report) -> String {
    let mut out = String::new();
    heading(&mut out, report);
    let to_mend = |one: &&Outcome| one.counts_against(report.profile) && one.was_reached();
    let against: Vec<_> = report.checks.iter().filter(to_mend).collect();
    if let Some((count, why)) = report.not_reached() {
        push(&mut out, &format!("{count} checks were not tried: {}\n", plain(why)));
    }
    if !against.is_empty() {
        push(&mut out, &format!("### To mend: {}\n", against.len()));
        push(&mut out, "| Check | Rule | Expected | Got |\n|---|---|---|---|");
        for outcome in against.iter().take(MOST) {
            push(&mut out, &row(outcome));
        }
        more(&mut out, against.len());
        push(&mut out, "<details><summary>How to mend and repeat them</summary>\n");
        for outcome in against.iter().take(MOST) {
            push(&mut out, &mend(outcome));
        }
        push(&mut out, "</details>\n");
    }
    for (ended, title) in [(Ended::Warned, "Warnings"), (Ended::Known, "Known deviations")] {
        let all: Vec<_> = report.checks.iter().filter(|one| one.result == ended).collect();
        if all.is_empty() {
            continue;
        }
        let count = all.len();
        push(&mut out, &format!("<details><summary>{title}: {count}</summary>\n"));
        for outcome in all.iter().take(MOST) {
            let why = outcome.known.as_ref().unwrap_or(&outcome.message);
            push(&mut out, &format!("- {}: {}", code(&outcome.id, CELL), plain(why)));
        }
        more(&mut out, count);
        push(&mut out, "</details>\n");
    }
    if !report.mended.is_empty() {
        push(&mut out, "These pass now and can be taken off the list of what is known:\n");
        for mended in &report.mended {
            let line = format!("- {} ({})", code(&mended.check, CELL), code(&mended.from, CELL));
            push(&mut out, &line);
        }
        out.push('\n');
    }
    if !report.leftovers.is_empty() {
        let paths: Vec<_> = report.leftovers.iter().take(MOST).collect();
        let paths: Vec<_> = paths.iter().map(|one| code(&one.path, CELL)).collect();
        push(&mut out, &format!("Left on the server: {}\n", paths.join(", ")));
    }
    out
}

fn heading(out: &mut String, report: &Report) {
    let (mark, verdict) = match report.verdict {
        Conclusion::Conformant => ("✅", "conformant"),
        Conclusion::NotConformant => ("❌", "not conformant"),
        Conclusion::CouldNotRun => ("⚠️", "could not run"),
    };
    push(out, &format!("## {mark} SCIM conformance: {verdict}\n"));
    let when = report.started.format("%Y-%m-%d %H:%M UTC");
    let (target, profile, tool) = (code(&report.target, CELL), report.profile, plain(&report.tool));
    let read_only = if report.read_only { ", read-only" } else { "" };
    push(out, &format!("{target}, profile `{profile}`{read_only}, {when}, {tool}\n"));
    if let Some(why) = &report.why {
        push(out, &format!("{}\n", plain(why)));
    }
    let counts = report.counts;
    push(out, "| passed | failed | broken | warned | known | noted | skipped |");
    push(out, "|--:|--:|--:|--:|--:|--:|--:|");
    let line = [
        counts.passed,
        counts.failed,
        counts.broken,
        counts.warned,
        counts.known,
        counts.noted,
        counts.skipped,
    ];
    let line: Vec<_> = line.iter().map(ToString::to_string).collect();
    push(out, &format!("| {} |\n", line.join(" | ")));
}

fn row(outcome: &Outcome) -> String {
    let cell = |text: &Option<String>| {
        text.as_ref().map_or(String::new(), |t| code(t, CELL).replace('|', "\\|"))
    };
    let rule = match outcome.result {
        Ended::Broken => {
            format!("{} (broken: {})", plain(&outcome.reason), plain(&outcome.message))
        }
        _ => plain(&outcome.reason),
    };
    format!(
        "| {} {} | {rule} | {} | {} |",
        code(&outcome.id, CELL),
        clause(outcome),
        cell(&outcome.expected),
        cell(&outcome.got)
    )
}

fn mend(outcome: &Outcome) -> String {
    let mut text = format!("- {}: {}", code(&outcome.id, CELL), plain(&outcome.message));
    // What could not be tried may have nothing to mend.
    if outcome.result != Ended::Broken {
        text.push_str(&format!(". {}", plain(&outcome.mend)));
    }
    if let Some(curl) = &outcome.curl {
        text.push_str(&format!("<br>{}", code(curl, COMMAND)));
    }
    text
}

fn clause(outcome: &Outcome) -> String {
    let Some(id) = outcome.clause.first() else { return String::new() };
    match Requirement::find(id) {
        Some(found) => format!("[{id}]({})", found.url()),
        None => plain(id),
    }
}

fn more(out: &mut String, count: usize) {
    if let Some(rest) = count.checked_sub(MOST).filter(|&rest| rest > 0) {
        push(out, &format!("\nand {rest} more, in the full report."));
    }
    out.push('\n');
}

fn push(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

/// Text that is nothing but text: no markup, no mention, no reference to an issue.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for c in cut(&harmless(text).replace('\n', " "), CELL).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // An invisible character after it: a backslash would not keep these two from becoming links.
            '@' | '#' => out.extend([c, '\u{200b}']),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '|' | '~' | '!' => {
                out.extend(['\\', c]);
            }
            c => out.push(c),
        }
    }
    out
}

/// A code span that nothing in it can end.
fn code(text: &str, most: usize) -> String {
    let text = cut(&harmless(text).replace('\n', " "), most);
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    if text.is_empty() { String::new() } else { format!("{fence}{pad}{text}{pad}{fence}") }
}
