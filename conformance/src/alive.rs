//! Whether the target still answers.

use std::sync::Arc;
use std::time::Duration;

use http::Method;

use crate::check::Stop;
use crate::context::Cx;
use crate::pace::shown;
use crate::run::Run;

/// How often a target that does not answer is asked: one that has crashed may be started again.
const TRIES: u32 = 3;

/// How long to wait between.
const BETWEEN: Duration = Duration::from_secs(1);

/// How long a try may take: a target that is only slow has some time.
const PATIENCE: Duration = Duration::from_secs(15);

/// Asks the target for something small; any answer will do.
///
/// # Errors
/// Why there is none.
pub(crate) async fn probe(run: &Arc<Run>, patience: Duration) -> Result<(), String> {
    let cx = Cx::new(Arc::clone(run), "alive");
    let patience = patience.min(PATIENCE);
    let mut said = String::new();
    for turn in 0..TRIES {
        if turn > 0 {
            tokio::time::sleep(BETWEEN).await;
        }
        let request = cx.request(Method::GET, "/ServiceProviderConfig").impatient();
        said = match run.pacer.within(patience, request.send()).await {
            Some(Err(Stop::Broken(text))) => text,
            Some(_) => return Ok(()),
            None => return Err(format!("no answer within {}", shown(patience))),
        };
    }
    Err(said)
}
