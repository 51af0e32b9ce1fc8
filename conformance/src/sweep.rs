//! Removing what a run created: what the ledger knows, and what has a name that the suite makes.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use tokio::time::timeout;

use crate::ask::ask;
use crate::check::Stop;
use crate::context::{Answer, Cx};
use crate::interrupt::Interrupt;
use crate::json::at;
use crate::ledger::{Ledger, MARKER, is_made_up, segment};
use crate::profile::Profile;
use crate::report::Leftover;
use crate::run::Run;
use crate::target::Target;

/// How long one step of cleaning up may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a sweep waits for a target that limits how often it may be asked.
const SWEEP_PATIENCE: Duration = Duration::from_secs(600);

/// Why something is still there when cleaning up was cut short.
const NO_TIME: &str = "there was no time left for it";

/// Pages that a search for the marker reads at most.
const MOST_PAGES: usize = 10_000;

/// Told the paths and names of what is found, before anything is removed.
pub(crate) type Tell<'a> = &'a mut (dyn FnMut(&[(String, String)]) + Send);

/// What a sweep did.
#[derive(Clone, Debug, Default)]
pub struct Swept {
    /// Paths and names of what the suite has made.
    pub found: Vec<(String, String)>,
    /// How many of them were removed.
    pub removed: usize,
    /// What could not be removed or looked for.
    pub left: Vec<Leftover>,
}

/// Removes what a ledger knows, newest first, after waiting for what is under way.
pub(crate) async fn clean(run: &Arc<Run>, ledger: &Ledger) -> Vec<Leftover> {
    settle(run, ledger).await;
    let paths = ledger.drain();
    let mut left = Vec::new();
    if paths.is_empty() {
        return left;
    }
    // A hand of its own: the evidence of the check ends with the check.
    let cx = Cx::new(Arc::clone(run), "clean");
    for path in paths {
        let removed = run.in_time(remove(&cx, &path)).await;
        if let Err(why) = removed.unwrap_or_else(|| Err(NO_TIME.to_owned())) {
            left.push(Leftover { path: run.secrets.tell(&path), why: run.secrets.tell(&why) });
        }
    }
    left
}

/// Leaves what a ledger knows to the end of the run.
pub(crate) async fn hand_over(run: &Arc<Run>, ledger: &Ledger) {
    settle(run, ledger).await;
    run.ledger.absorb(ledger);
}

/// Waits for what is under way.
async fn settle(run: &Run, ledger: &Ledger) {
    let quiet = run.in_time(timeout(PATIENCE, ledger.quiet())).await;
    if !matches!(quiet, Some(Ok(()))) {
        // What it creates later is found by its name at the end of the run.
        run.lose_track();
    }
}

async fn remove(cx: &Cx, path: &str) -> Result<(), String> {
    let answer = delete(cx, path, false).await?;
    let answer = match answer.status() {
        // The server insists on a condition.
        412 | 428 => delete(cx, path, true).await?,
        _ => answer,
    };
    match answer.status() {
        200..=299 | 404 | 410 => Ok(()),
        _ => Err(format!("DELETE was answered {}", answer.summary())),
    }
}

async fn delete(cx: &Cx, path: &str, any_version: bool) -> Result<Answer, String> {
    let mut request = cx.request(Method::DELETE, path);
    if any_version {
        request = request.header("if-match", "*");
    }
    match cx.run.pacer.within(PATIENCE, request.send()).await {
        Some(Ok(answer)) => Ok(answer),
        Some(Err(stop)) => Err(said(stop)),
        None => Err("DELETE was not answered in time".to_owned()),
    }
}

fn said(stop: Stop) -> String {
    match stop {
        Stop::Failed(failure) => failure.message,
        Stop::Skipped(text) | Stop::Broken(text) => text,
    }
}

/// Looks for what earlier runs left on a target, by the names that the suite makes, and removes it unless `only_look`.
///
/// # Errors
/// Why the target cannot be asked.
pub async fn sweep(target: &Target, only_look: bool) -> Result<Swept, String> {
    sweep_telling(target, only_look, |_| {}).await
}

/// As [`sweep`], telling the paths and names of what is found before anything is removed.
///
/// # Errors
/// Why the target cannot be asked.
pub async fn sweep_telling(
    target: &Target,
    only_look: bool,
    mut tell: impl FnMut(&[(String, String)]) + Send,
) -> Result<Swept, String> {
    let interrupt = Interrupt::new();
    let run = Run::new(target, Profile::Rfc, 0, only_look, SWEEP_PATIENCE, &interrupt)
        .map_err(|error| error.to_string())?;
    let run = Arc::new(run);
    ask(&run, PATIENCE).await.map_err(|why| run.secrets.tell(&why))?;
    Ok(by_marker(&run, None, !only_look, true, &mut tell).await)
}

/// Removes everything with a name that the suite makes, or of one run only. Where filters do not help, it reads all
/// resources if it is to be thorough.
pub(crate) async fn by_marker(
    run: &Arc<Run>,
    of_run: Option<u32>,
    remove_them: bool,
    thorough: bool,
    tell: Tell<'_>,
) -> Swept {
    let prefix = of_run.map_or_else(|| MARKER.to_owned(), |seed| format!("{MARKER}{seed:08x}-"));
    let cx = Cx::new(Arc::clone(run), "sweep");
    let mut swept = Swept::default();
    let mut kinds: Vec<_> = run.served().types().to_vec();
    // Groups go before their members.
    kinds.sort_by_key(|kind| kind.name != "Group");
    let mut paths = Vec::new();
    for kind in kinds {
        let naming = if run.served().attribute(&kind, "userName").is_some() {
            "userName"
        } else {
            "displayName"
        };
        let search = run.in_time(find(&cx, &kind.endpoint, naming, &prefix, thorough)).await;
        match search.unwrap_or_else(|| Err(NO_TIME.to_owned())) {
            Ok(found) => paths.extend(found),
            Err(why) => {
                let why = run.secrets.tell(&format!("could not be searched: {why}"));
                swept.left.push(Leftover { path: kind.endpoint.clone(), why });
            }
        }
    }
    let told = |(path, name): &(String, String)| (run.secrets.tell(path), run.secrets.tell(name));
    swept.found = paths.iter().map(told).collect();
    tell(&swept.found);
    if !remove_them {
        return swept;
    }
    for (path, _) in paths {
        let removed = run.in_time(remove(&cx, &path)).await;
        match removed.unwrap_or_else(|| Err(NO_TIME.to_owned())) {
            Ok(()) => swept.removed += 1,
            Err(why) => {
                let (path, why) = (run.secrets.tell(&path), run.secrets.tell(&why));
                swept.left.push(Leftover { path, why });
            }
        }
    }
    swept
}

/// Everything at an endpoint whose name begins with a prefix. Asks with a filter; where that is refused, reads it all.
async fn find(
    cx: &Cx,
    endpoint: &str,
    naming: &str,
    prefix: &str,
    thorough: bool,
) -> Result<Vec<(String, String)>, String> {
    let filter = format!("{naming} sw \"{prefix}\"");
    let mut query = vec![("filter", filter.as_str())];
    let mut found: Vec<(String, String)> = Vec::new();
    let mut seen = 0_usize;
    for _ in 0..MOST_PAGES {
        let start = (seen + 1).to_string();
        let mut page_query = query.clone();
        if seen > 0 {
            page_query.push(("startIndex", start.as_str()));
        }
        let listed = cx.run.pacer.within(PATIENCE, cx.list(endpoint, &page_query)).await;
        let answer = match listed {
            Some(answer) => answer.map_err(said)?,
            None => return Err("no answer in time".to_owned()),
        };
        match answer.status() {
            200 => {}
            _ if !thorough => return Ok(found),
            404 | 405 | 501 if seen == 0 && query.is_empty() => return Ok(found),
            _ if seen == 0 && !query.is_empty() => {
                query.clear();
                continue;
            }
            _ => return Err(format!("a search was answered {}", answer.summary())),
        }
        let page = answer.resources();
        for resource in page {
            // Whatever the server makes of the filter: only a name that the suite makes is ours.
            let text = |path| at(resource, path).and_then(|value| value.as_str());
            if let (Some(id), Some(name)) = (text("id"), text(naming))
                && name.to_lowercase().starts_with(prefix)
                && is_made_up(name)
            {
                let path = format!("{endpoint}/{}", segment(id));
                if !found.iter().any(|(one, _)| *one == path) {
                    found.push((path, name.to_owned()));
                }
            }
        }
        seen += page.len();
        let is_filtered = found.len() == seen;
        if !is_filtered && !thorough {
            return Ok(found);
        }
        let total = answer.total().and_then(|total| usize::try_from(total).ok());
        if page.is_empty() || total.is_none_or(|total| seen >= total) {
            return Ok(found);
        }
    }
    Err(format!("more than {MOST_PAGES} pages"))
}
