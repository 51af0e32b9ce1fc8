//! Figures, times and states in the words of people, and foreign texts so that they can do no harm.

use std::fmt::Write as _;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use maud::{Markup, html};

use crate::agents::AgentState;
use crate::job::wire::{QuarantineReason, ScheduleState, StatusCode, TaskState};
use crate::job::{Due, Glance, IsoDuration, Mode};

/// What a state means for whoever looks: told by a word and a sign too, never by the colour alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Busy,
    Quiet,
    Warn,
    Bad,
}

impl Tone {
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Busy => "busy",
            Self::Quiet => "quiet",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }
}

/// A word on its colour.
pub(super) fn badge(tone: Tone, word: &str) -> Markup {
    html! { span class={ "badge " (tone.class()) } { (word) } }
}

/// A text that somebody else chose: a name, a distinguished name, what a system answered. It keeps its direction to itself,
/// and characters that could change how the rest reads are shown by their number.
pub(super) fn text(text: &str) -> Markup {
    html! { bdi { (visible(text)) } }
}

/// The same for attributes and titles.
pub(super) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() && !matches!(character, '\n' | '\t') || turns(character) {
            let _ = write!(shown, "‹U+{:04X}›", u32::from(character));
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Whether a character changes the direction of those after it, or cannot be seen at all.
const fn turns(character: char) -> bool {
    matches!(
        character,
        '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'
            ..='\u{202e}' | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
    )
}

/// A moment as it is from now, with the exact time for whoever wants it.
pub(super) fn when(now: DateTime<Utc>, at: DateTime<Utc>) -> Markup {
    let exact = at.to_rfc3339_opts(SecondsFormat::Secs, true);
    html! { time datetime=(exact) title=(clock(at)) { (from_now(now, at)) } }
}

/// A moment to the second.
pub(super) fn clock(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// A moment as it is from now.
pub(super) fn from_now(now: DateTime<Utc>, at: DateTime<Utc>) -> String {
    let past = at <= now;
    let distance = (now - at).abs();
    let (count, unit) = match distance {
        some if some < TimeDelta::seconds(5) => return "just now".to_owned(),
        some if some < TimeDelta::minutes(1) => (some.num_seconds(), "s"),
        some if some < TimeDelta::hours(1) => (some.num_minutes(), "min"),
        some if some < TimeDelta::days(2) => (some.num_hours(), "h"),
        some => (some.num_days(), "days"),
    };
    if past { format!("{count} {unit} ago") } else { format!("in {count} {unit}") }
}

/// How long something took.
pub(super) fn took(time: TimeDelta) -> String {
    let millis = time.num_milliseconds().max(0);
    match millis {
        0..1_000 => format!("{millis} ms"),
        1_000..60_000 => format!("{}.{} s", millis / 1_000, millis % 1_000 / 100),
        60_000..3_600_000 => format!("{} min {} s", millis / 60_000, millis % 60_000 / 1_000),
        _ => format!("{} h {} min", millis / 3_600_000, millis % 3_600_000 / 60_000),
    }
}

/// A number with its thousands apart.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// So many of something.
pub(super) fn count(number_of: u64, one: &str, several: &str) -> String {
    format!("{} {}", number(number_of), if number_of == 1 { one } else { several })
}

/// How often.
pub(super) fn every(interval: IsoDuration) -> String {
    let seconds = interval.get().as_secs();
    for (unit, name) in [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")] {
        if seconds >= unit && seconds.is_multiple_of(unit) {
            return match seconds / unit {
                1 => format!("every {name}"),
                many => format!("every {many} {name}s"),
            };
        }
    }
    format!("every {} ms", interval.get().as_millis())
}

/// The state of an agent.
pub(super) fn agent_state(state: AgentState, connected: bool) -> Markup {
    match (state, connected) {
        (AgentState::Revoked, _) => badge(Tone::Bad, "Revoked"),
        (_, true) => badge(Tone::Good, "Connected"),
        (AgentState::Active, false) => badge(Tone::Warn, "Not connected"),
        (AgentState::Inactive, false) => badge(Tone::Bad, "Inactive"),
        (AgentState::Removed, false) => badge(Tone::Quiet, "Removed"),
    }
}

/// The state of a job.
pub(super) fn job_state(glance: &Glance) -> (Tone, &'static str) {
    let job = &glance.job;
    match job.status.code {
        _ if job.schedule.state == ScheduleState::Disabled && glance.switched_off.is_some() => {
            (Tone::Bad, "Switched off")
        }
        StatusCode::NotConfigured => (Tone::Warn, "Not configured"),
        StatusCode::Paused => (Tone::Quiet, "Paused"),
        StatusCode::Quarantine => (Tone::Bad, "Quarantine"),
        _ if glance.running => (Tone::Busy, "Running now"),
        StatusCode::NotRun if job.schedule.state == ScheduleState::Active => {
            (Tone::Busy, "First cycle to come")
        }
        StatusCode::NotRun => (Tone::Quiet, "Not started"),
        StatusCode::Active => match job.status.last_execution.as_ref().map(|last| last.state) {
            Some(TaskState::Failed) => (Tone::Warn, "Last cycle failed"),
            Some(TaskState::EntryLevelErrors) => (Tone::Warn, "Some objects failed"),
            _ => (Tone::Good, "Running well"),
        },
    }
}

/// Whether a job writes.
pub(super) fn mode(mode: Mode) -> Option<Markup> {
    match mode {
        Mode::Active => None,
        Mode::Staging => Some(badge(Tone::Quiet, "Staging: nothing is written")),
    }
}

/// When a job runs next.
pub(super) fn next_run(now: DateTime<Utc>, glance: &Glance) -> Markup {
    match glance.next {
        _ if glance.running => html! { "running now" },
        Due::Now => html! { "now" },
        Due::At(at) => when(now, at),
        Due::Never | Due::TooLate => html! { "not before it is started" },
    }
}

/// How a cycle ended.
pub(super) fn task_state(state: TaskState) -> (Tone, &'static str) {
    match state {
        TaskState::Succeeded => (Tone::Good, "Succeeded"),
        TaskState::EntryLevelErrors => (Tone::Warn, "Some objects failed"),
        TaskState::Failed => (Tone::Bad, "Failed"),
    }
}

/// Why a job rests, and what to do about it.
pub(super) fn quarantine(reason: QuarantineReason) -> (&'static str, &'static str) {
    match reason {
        QuarantineReason::EncounteredEscrowProportionThreshold => (
            "Too large a share of the objects failed, so the job rests instead of making it worse.",
            "Look at what failed in the log and mend the cause; then start the job.",
        ),
        QuarantineReason::EncounteredQuarantineException => (
            "A system refused the job's credentials, or answered with what it must not.",
            "Mend the credentials or the system; then start the job.",
        ),
        QuarantineReason::QuarantinedOnDemand => {
            ("Somebody asked for it.", "Start the job when it is to go on.")
        }
        QuarantineReason::TooManyDeletes => (
            "The next cycle would take away more than the limits of the job allow. Nothing was written.",
            "Look at the plan and allow or reject it.",
        ),
    }
}

/// An action or outcome of the log, as a word on its colour.
pub(super) fn log_action(action: &str) -> Markup {
    let (tone, word) = match action {
        "create" => (Tone::Good, "Create"),
        "update" => (Tone::Busy, "Update"),
        "delete" => (Tone::Bad, "Delete"),
        "disable" => (Tone::Warn, "Disable"),
        "stageddelete" => (Tone::Warn, "Held back"),
        _ => (Tone::Quiet, "Other"),
    };
    badge(tone, word)
}

/// The same of the outcome.
pub(super) fn log_status(status: &str) -> Markup {
    let (tone, word) = match status {
        "success" => (Tone::Good, "Success"),
        "failure" => (Tone::Bad, "Failure"),
        "warning" => (Tone::Warn, "Warning"),
        _ => (Tone::Quiet, "Skipped"),
    };
    badge(tone, word)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_and_numbers_as_people_say_them() {
        let now = DateTime::from_timestamp(1_780_000_000, 0).unwrap();
        for (seconds, words) in [
            (0, "just now"),
            (-4, "just now"),
            (-59, "59 s ago"),
            (-60, "1 min ago"),
            (119, "in 1 min"),
            (-3_600, "1 h ago"),
            (-86_400 * 2, "2 days ago"),
            (86_400 * 89, "in 89 days"),
        ] {
            assert_eq!(from_now(now, now + TimeDelta::seconds(seconds)), words);
        }
        for (plain, shown) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(number(plain), shown);
        }
        for (interval, words) in [
            ("PT2M", "every 2 minutes"),
            ("PT1H", "every hour"),
            ("PT90S", "every 90 seconds"),
            ("PT0.5S", "every 500 ms"),
        ] {
            assert_eq!(every(interval.parse().unwrap()), words);
        }
        assert_eq!(took(TimeDelta::milliseconds(1_250)), "1.2 s");
        assert_eq!(took(TimeDelta::seconds(61)), "1 min 1 s");
    }

    #[test]
    fn what_turns_the_text_around_is_shown_and_not_done() {
        assert_eq!(visible("a\u{202e}b\u{7}"), "a‹U+202E›b‹U+0007›");
        assert_eq!(visible("שלום עולם"), "שלום עולם");
    }

    proptest! {
        #[test]
        fn no_text_gets_out_of_its_place(hostile in "(\\PC|[<>&\"'`=/\u{202a}-\u{202e}\u{2066}-\u{2069}\u{0}-\u{1f}]|</bdi>|<script>){0,60}") {
            let shown = html! { p title=(visible(&hostile)) { (text(&hostile)) } }.into_string();
            let rest = shown.strip_prefix("<p title=\"").unwrap();
            let (attribute, rest) = rest.split_once('"').unwrap();
            let inner = rest.strip_prefix("><bdi>").unwrap().strip_suffix("</bdi></p>").unwrap();
            for part in [attribute, inner] {
                prop_assert!(!part.contains(['<', '>', '"']), "{}", part);
                prop_assert!(!part.chars().any(turns), "{}", part);
            }
        }
    }
}
