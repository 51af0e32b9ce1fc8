//! What is shown of a run on a terminal: a bar for long reads and exports, nothing where nobody looks.

use indicatif::{ProgressBar, ProgressStyle};
use scim_sync::observer::{Event, Observer, Phase};

/// Shows how far a run is.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// On standard error, where that is a terminal; else nowhere.
    #[must_use]
    pub fn new(quiet: bool) -> Self {
        let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
        Self { bar }
    }

    fn begin(&self, text: String, expected: Option<u64>) {
        let template = match expected {
            Some(_) => "{msg} {wide_bar} {pos}/{len} ({per_sec}, {eta})",
            None => "{msg} {pos} ({per_sec})",
        };
        self.bar.reset();
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
        match expected {
            Some(expected) => self.bar.set_length(expected),
            None => self.bar.unset_length(),
        }
        self.bar.set_position(0);
        self.bar.set_message(text);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

impl Observer for Progress {
    fn event(&mut self, event: &Event) {
        match event {
            Event::PhaseStarted { phase, connector, expected } => {
                let doing = match phase {
                    Phase::Import => "reading",
                    Phase::Inbound => "applying rules",
                    Phase::Outbound => "working out changes",
                    Phase::Plan => "planning",
                    Phase::Export => "writing",
                    _ => "reading back",
                };
                let of =
                    connector.as_ref().map(|connector| format!(" {connector}")).unwrap_or_default();
                self.begin(format!("{doing}{of}"), *expected);
            }
            Event::PageImported { told, expected, .. } => {
                if let Some(expected) = expected {
                    self.bar.set_length(*expected);
                }
                self.bar.set_position(*told);
            }
            Event::ObjectSynchronized { .. }
            | Event::IdentityEvaluated { .. }
            | Event::StepDone(_) => self.bar.inc(1),
            Event::PhaseEnded { .. } => self.bar.set_message(""),
            _ => {}
        }
    }
}

/// Several observers as one.
#[derive(Default)]
pub struct All<'a>(pub Vec<&'a mut (dyn Observer + Send)>);

impl Observer for All<'_> {
    fn event(&mut self, event: &Event) {
        for observer in &mut self.0 {
            observer.event(event);
        }
    }
}
