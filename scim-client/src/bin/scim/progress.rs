//! Progress bars, on a terminal only.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar on standard error, or one that shows nothing where that is no terminal. Without colours.
pub(crate) fn bar(total: Option<u64>, what: &str) -> ProgressBar {
    let target = match stderr().is_terminal() {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    };
    let hidden = target.is_hidden();
    let bar = ProgressBar::with_draw_target(total, target);
    let template = match total {
        Some(_) => "{prefix} {bar:30} {percent}% {wide_msg}",
        None => "{prefix} {spinner} {wide_msg}",
    };
    bar.set_style(
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    bar.set_prefix(what.to_owned());
    if !hidden {
        bar.enable_steady_tick(Duration::from_millis(200));
    }
    bar
}

/// Says something on standard error, above the bar if there is one.
pub(crate) fn note(bar: &ProgressBar, text: &str) {
    bar.suspend(|| crate::ended::note(text));
}
