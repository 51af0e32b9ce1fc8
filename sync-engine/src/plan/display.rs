//! A plan for people: one line a step.

use std::fmt;

use super::step::{AttributeChange, ReferenceDelta, Shown, Step, StepKind, one_line, plain};
use super::{ExportPlan, PlanCounts};
use crate::AttributeValue;

const LONGEST_VALUE: usize = 60;
const WIDEST_LABEL: usize = 32;

impl fmt::Display for ExportPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.steps.iter().map(|step| step.object_type.as_str().chars().count()).max();
        let label = self.steps.iter().map(|step| step.label.chars().count()).max();
        let (kind, label) = (kind.unwrap_or(0), label.unwrap_or(0).min(WIDEST_LABEL));
        for step in &self.steps {
            line(f, step, kind, label)?;
        }
        match self.omitted {
            0 => {}
            1 => writeln!(f, "... and one step more")?,
            more => writeln!(f, "... and {more} steps more")?,
        }
        if !self.steps.is_empty() {
            writeln!(f)?;
        }
        writeln!(f, "{}: {}", self.target, self.counts)?;
        writeln!(f, "digest {}", self.digest)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        line(f, self, 0, 0).map(|_| ())
    }
}

fn line(f: &mut fmt::Formatter<'_>, step: &Step, kind: usize, label: usize) -> fmt::Result {
    let mut detail: Vec<String> = Vec::new();
    if step.kind != StepKind::Create {
        detail.extend(step.changes.iter().map(change));
    }
    detail.extend(step.references.iter().map(reference));
    if !step.reason.is_empty() {
        detail.push(format!("({})", step.reason));
    }
    let head = format!(
        "{}  {} {:kind$}  {:label$}  {}",
        step.target,
        step.kind.sign(),
        step.object_type.as_str(),
        step.label,
        detail.join("  ")
    );
    writeln!(f, "{}", head.trim_end())
}

fn change(change: &AttributeChange) -> String {
    format!(
        "{}: {} -> {}",
        one_line(change.name.as_str()),
        shown(&change.before),
        shown(&change.after)
    )
}

fn reference(delta: &ReferenceDelta) -> String {
    let mut text = format!("{}:", one_line(&delta.name));
    if delta.added > 0 {
        text.push_str(&format!(" +{}", delta.added));
    }
    if delta.removed > 0 {
        text.push_str(&format!(" -{}", delta.removed));
    }
    text
}

/// Values on one line.
pub(crate) fn shown(values: &Shown) -> String {
    match values {
        Shown::Redacted { present: true } => "(redacted)".to_owned(),
        Shown::Redacted { present: false } => "none".to_owned(),
        Shown::Open(values) => match values.as_slice() {
            [] => "none".to_owned(),
            [one] => value(one),
            many => {
                let first: Vec<String> = many.iter().take(3).map(value).collect();
                let more = many.len().saturating_sub(3);
                if more == 0 {
                    format!("[{}]", first.join(", "))
                } else {
                    format!("[{}, {more} more]", first.join(", "))
                }
            }
        },
    }
}

fn value(value: &AttributeValue) -> String {
    if let AttributeValue::Binary(bytes) = value {
        return format!("({} bytes)", bytes.len());
    }
    let text = one_line(&plain(value).to_string()).to_string();
    if text.chars().count() <= LONGEST_VALUE {
        return text;
    }
    let short: String = text.chars().take(LONGEST_VALUE).collect();
    format!("{short}…")
}

impl fmt::Display for PlanCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.steps() == 0 {
            f.write_str("nothing to write")?;
        } else {
            let mut parts = Vec::new();
            let mut part = |count: u64, text: &str| {
                if count > 0 {
                    parts.push(format!("{count} {text}"));
                }
            };
            part(self.create, "to create");
            part(self.update, "to update");
            part(self.references, "with changed references");
            part(self.disable, "to disable");
            part(self.delete, "to delete");
            part(self.replace, "to replace");
            f.write_str(&parts.join(", "))?;
            if self.references > 0 {
                write!(f, " (+{} -{})", self.references_added, self.references_removed)?;
            }
            if self.switched_off > 0 {
                write!(f, "; {} of the updates switch an account off", self.switched_off)?;
            }
            if self.left_scope > 0 {
                write!(f, "; {} left the scope", self.left_scope)?;
            }
        }
        if self.waiting > 0 {
            write!(f, "; {} in escrow, not tried now", self.waiting)?;
        }
        if self.references_waiting > 0 {
            write!(f, "; {} references wait for their objects", self.references_waiting)?;
        }
        Ok(())
    }
}
