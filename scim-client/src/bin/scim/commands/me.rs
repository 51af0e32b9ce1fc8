//! `scim me`.

use clap::Args;
use scim_client::Client;
use scim_client::scim_core::Resource;

use crate::ended::Ended;
use crate::output::OutputArgs;

#[derive(Args, Debug)]
pub(crate) struct MeArgs {
    #[command(flatten)]
    output: OutputArgs,
}

pub(crate) async fn run(client: &Client, args: MeArgs) -> anyhow::Result<Ended> {
    let me: Resource = client.me().get_as().await?;
    let mut printer = args.output.one("Users")?;
    printer.write(&me)?;
    printer.finish()?;
    Ok(Ended::Done)
}
