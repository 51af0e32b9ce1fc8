//! How a command ends, and what is said about errors.

use std::fmt::Write as _;
use std::io;

use scim_client::{Error, Rejected};

/// What became of a command that could run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// All was done.
    Done,
    /// The server, or the profile of the target, refused some; each was named.
    Refused,
}

impl Ended {
    /// By the number of what was refused.
    pub(crate) const fn with(refused: u64) -> Self {
        if refused == 0 { Self::Done } else { Self::Refused }
    }
}

/// What an error means for the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The server understood and refused: 1.
    Refused,
    /// No answer, nobody let in, wrong arguments: 2.
    CouldNotRun,
    /// Who read standard output has gone: no error at all.
    ReaderGone,
}

impl Failure {
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        for cause in error.chain() {
            if let Some(io) = cause.downcast_ref::<io::Error>()
                && io.kind() == io::ErrorKind::BrokenPipe
            {
                return Self::ReaderGone;
            }
            if let Some(error) = cause.downcast_ref::<Error>()
                && is_refusal(error)
                // A wrong argument, or a server that does not speak SCIM.
                && !matches!(error, Error::Request(_) | Error::Decode(_))
            {
                return Self::Refused;
            }
        }
        Self::CouldNotRun
    }
}

/// Whether it concerns this one resource, so that others may fare better: not when nobody was let in, when nothing
/// was reached, or when the server has no time.
pub(crate) fn is_refusal(error: &Error) -> bool {
    match error {
        Error::Scim(rejected) => {
            let status = rejected.status.as_u16();
            let known = rejected.is_scim || rejected.is_not_found() || status != 404;
            // 501 says that the server does not do such things at all, and again would be no use.
            let refuses = rejected.status.is_client_error() || (status == 501 && rejected.is_scim);
            known && refuses && !is_no_list(rejected) && !matches!(status, 401 | 407 | 408 | 429)
        }
        Error::Decode(_) | Error::Request(_) | Error::Target(_) => true,
        Error::Partly { source, .. } => is_refusal(source),
        _ => false,
    }
}

/// Whether it says that there is no such list: the base URL or the type is wrong.
fn is_no_list(rejected: &Rejected) -> bool {
    let path = rejected.path.trim_matches('/');
    rejected.status.as_u16() == 404
        && match rejected.method.as_str() {
            "GET" => !path.contains('/'),
            "POST" => path.ends_with(".search"),
            _ => false,
        }
}

/// What may be wrong when an endpoint is not there.
const NO_ENDPOINT: &str = "Is the base URL right? It ends before /Users. And the type? `scim discover types` lists what the server has.";

/// A create that was answered with 404 before any succeeded: it is the endpoint that is missing. Later on it may be
/// what the resource refers to.
pub(crate) fn no_endpoint(error: &Error) -> Option<anyhow::Error> {
    let missing = error.status().is_some_and(|status| status.as_u16() == 404);
    missing.then(|| anyhow::anyhow!("{error}\n  {NO_ENDPOINT}"))
}

/// An error in plain language, with its causes as far as they say more.
pub(crate) fn tell(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if text.contains(&cause) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&cause);
    }
    let client = error.chain().find_map(|cause| cause.downcast_ref::<Error>());
    if client.and_then(Error::status).is_some_and(|status| status.as_u16() == 401) {
        let _ = write!(
            text,
            "\n  The server does not let you in: is the token of SCIM_TOKEN, or of the profile, "
        );
        text.push_str("the right one, and still good?");
    }
    if let Some(Error::Scim(rejected)) = client
        && is_no_list(rejected)
    {
        let _ = write!(text, "\n  {NO_ENDPOINT}");
    }
    printable(&text)
}

/// Without the control characters that would tell a terminal what to do; they may come from a server.
pub(crate) fn printable(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' | '\t' => c,
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.chars().map(shown).collect()
}

/// Says something on standard error.
pub(crate) fn note(text: &str) {
    use std::io::Write as _;
    // Nobody reads it: the exit code still tells.
    let _ = writeln!(io::stderr(), "{}", printable(text));
}
