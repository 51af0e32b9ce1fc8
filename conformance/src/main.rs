//! `scim-conformance`: checks a SCIM server.

use std::process::ExitCode;

use scim_conformance::{Suite, Target};

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let url = std::env::args().nth(1).unwrap_or_default();
    let token = std::env::var("SCIM_TOKEN").unwrap_or_default();
    let report = Suite::all().run(&Target::new(url)?.bearer(token)).await;
    println!("{}", serde_json::to_string_pretty(&report)?);
    println!("{report}");
    Ok(ExitCode::from(report.exit_code()))
}
