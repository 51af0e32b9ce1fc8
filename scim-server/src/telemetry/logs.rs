//! Logs on standard error, as text for people or JSON for collectors.
//!
//! Standard output is left alone: its one line says where the server listens.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, registry::Registry};

use crate::config::LogFormat;

/// Starts logging for the whole process; says whether it did.
///
/// `false` means that a logger was there already, which stays: tests and programs that embed the
/// server may have their own. Colours are used only for text on a terminal, and never where
/// `NO_COLOR` is set and not empty (<https://no-color.org>). A filter that cannot be read counts
/// as `info`; [`check_filter`] tells beforehand.
pub fn init(filter: &str, format: LogFormat) -> bool {
    let filter = parse(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let colours =
        stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let lines = tracing_subscriber::fmt::layer().with_target(false).with_writer(stderr);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match format {
        LogFormat::Text => lines.with_ansi(colours).with_filter(filter).boxed(),
        LogFormat::Json => {
            lines.with_ansi(false).json().flatten_event(true).with_filter(filter).boxed()
        }
    };
    tracing::subscriber::set_global_default(Registry::default().with(lines)).is_ok()
}

/// Checks a filter: a level, or `target=level` pieces separated by commas.
///
/// # Errors
///
/// A sentence that says what was expected.
pub fn check_filter(filter: &str) -> Result<(), String> {
    parse(filter).map(drop)
}

fn parse(filter: &str) -> Result<EnvFilter, String> {
    let wrong = || {
        format!(
            "`{filter}` is not a log filter; write a level (error, warn, info, debug, trace, off), or levels by target like warn,scim_server=debug"
        )
    };
    // A bare word that is no level would be taken for a target, and silence everything else.
    let pieces = filter.split(',').map(str::trim);
    let is_level = |piece: &str| piece.parse::<tracing::level_filters::LevelFilter>().is_ok();
    for piece in pieces {
        if piece.is_empty() || !(piece.contains(['=', '[']) || is_level(piece)) {
            return Err(wrong());
        }
    }
    EnvFilter::try_new(filter).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_start_is_refused_and_does_not_panic() {
        init("info", LogFormat::Text);
        assert!(!init("debug", LogFormat::Json));
    }

    #[test]
    fn filters_are_levels_or_levels_by_target() {
        for filter in ["info", "off", "WARN", "warn,scim_server=debug", "scim_server::net=trace"] {
            assert_eq!(check_filter(filter), Ok(()), "{filter}");
        }
        for filter in ["", "loud", "info,", "scim_server", "scim_server=loud"] {
            assert!(check_filter(filter).is_err(), "{filter}");
        }
    }
}
