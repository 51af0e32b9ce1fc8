//! `scim delete TYPE ID...`.

use clap::Args;
use scim_client::Client;

use crate::ended::{Ended, is_refusal, note};
use crate::types;

pub(crate) const EXAMPLES: &str = r#"Nobody is asked whether this is meant.

Examples:
  scim delete user 2819c223
  scim delete users 2819c223 902c246b
  scim delete user 2819c223 --if-match 'W/"3"'"#;

#[derive(Args, Debug)]
pub(crate) struct DeleteArgs {
    /// The type, such as user
    #[arg(value_name = "TYPE")]
    kind: String,
    /// The ids
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    /// Only if it still has this version (meta.version)
    #[arg(long, value_name = "VERSION")]
    if_match: Option<String>,
}

pub(crate) async fn run(client: &Client, args: DeleteArgs) -> anyhow::Result<Ended> {
    let endpoint = types::endpoint(client, &args.kind).await?;
    let mut refused = 0;
    for id in &args.ids {
        let mut delete = client.resources(&endpoint).delete(id);
        if let Some(version) = &args.if_match {
            delete = delete.if_match(version);
        }
        match delete.await {
            Ok(()) => {}
            Err(error) if is_refusal(&error) => {
                note(&format!("{id}: {error}"));
                refused += 1;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Ended::with(refused))
}
