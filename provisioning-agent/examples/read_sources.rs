//! How quickly the sources of a configuration can be read, and nothing else: everything once, no state, no target.
//! What a first cycle takes longer than this is the agent's own work and the target's.
//!
//! ```text
//! cargo run --release -p scim-agent --example read_sources -- provisioning-agent.toml
//! ```

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use futures::TryStreamExt;
use scim_agent::session::Session;
use scim_sync::connector::{ImportMode, ImportRequest};

fn main() -> Result<()> {
    let path = std::env::args_os().nth(1).context("name the configuration file")?;
    // The two halves of the program's own start: the provider of cryptography, then the configuration.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let session = Session::load(Path::new(&path))?;
    for source in session.connectors()?.sources {
        let shape = session.rules.shape(source.id());
        let started = Instant::now();
        let (read, ended) = session.runtime().block_on(async {
            let mut pages = source.import(ImportRequest { mode: ImportMode::Full, shape });
            let (mut read, mut ended) = (0_usize, false);
            while let Some(page) = pages.try_next().await? {
                read += page.changes.len();
                ended |= page.end.is_some();
            }
            anyhow::Ok((read, ended))
        })?;
        if !ended {
            bail!("the read of {} did not come to its end", source.id());
        }
        println!("{}: {read} objects in {:.2} s", source.id(), started.elapsed().as_secs_f64());
    }
    Ok(())
}
