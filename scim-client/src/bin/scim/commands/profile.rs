//! `scim profile list` and `scim profile show [NAME]`.

use anyhow::bail;
use clap::{Args, Subcommand};
use scim_client::scim_core::Resource;
use scim_client::{Capabilities, TargetProfile};

use crate::connect::{ConnectArgs, target_named};
use crate::ended::Ended;
use crate::output::{Format, OutputArgs, Printer, plain};

pub(crate) const EXAMPLES: &str = r#"What holds comes from three places: the server announced it, a target profile
says so, or it is assumed.

Examples:
  scim profile list         profiles of the profile file, and target profiles
  scim profile show         what the server of SCIM_URL can do
  scim profile show work    the same of a profile of the profile file
  scim profile show entra   what is known of a kind of server; nothing is sent"#;

#[derive(Args, Debug)]
pub(crate) struct ProfileArgs {
    #[command(subcommand)]
    command: ProfileCommand,
}

#[derive(Debug, Subcommand)]
enum ProfileCommand {
    /// What a server can do, and how that is known
    Show {
        /// A profile of the profile file, a target profile, or a TOML file with one; the server that is connected without it
        #[arg(value_name = "NAME")]
        name: Option<String>,
        /// How the result is written [default: table]
        #[arg(short, long, value_enum, value_name = "FORMAT")]
        format: Option<Format>,
    },
    /// The profiles that there are
    List {
        #[command(flatten)]
        output: OutputArgs,
    },
}

pub(crate) async fn run(connect: &ConnectArgs, args: ProfileArgs) -> anyhow::Result<Ended> {
    match args.command {
        ProfileCommand::List { output } => list(connect, &output),
        ProfileCommand::Show { name, format } => show(connect, name, format).await,
    }
}

fn row(pairs: &[(&str, &str)]) -> Resource {
    let mut row = Resource::new();
    for (name, value) in pairs {
        row.set(name, *value);
    }
    row
}

fn list(connect: &ConnectArgs, output: &OutputArgs) -> anyhow::Result<Ended> {
    if !output.columns.is_empty() {
        bail!("profiles have the columns name, kind and about");
    }
    let mut printer = Printer::new(output.format, &["name", "kind", "about"], true)?;
    for (name, settings) in connect.known()? {
        printer.write(&row(&[("name", &name), ("kind", "service"), ("about", &settings.url)]))?;
    }
    for name in TargetProfile::shipped_names() {
        let profile = TargetProfile::named(name)?;
        let about = &profile.fields().title;
        printer.write(&row(&[("name", name), ("kind", "target"), ("about", about)]))?;
    }
    printer.finish()?;
    Ok(Ended::Done)
}

async fn show(
    connect: &ConnectArgs,
    name: Option<String>,
    format: Option<Format>,
) -> anyhow::Result<Ended> {
    let capabilities = match name {
        None => (*connect.client()?.capabilities().await?).clone(),
        Some(name) if connect.known()?.contains_key(&name) => {
            let connect = ConnectArgs { url: None, profile: Some(name), ..connect.clone() };
            (*connect.client()?.capabilities().await?).clone()
        }
        Some(name) => Capabilities::from_service_provider_config(None, &target_named(&name)?),
    };
    let format = match format {
        None | Some(Format::Table) => {
            plain(&capabilities.to_string())?;
            return Ok(Ended::Done);
        }
        Some(format) => format,
    };
    let mut printer = Printer::new(format, &["fact", "origin", "value"], true)?;
    for (fact, value, origin) in capabilities.rows() {
        printer.write(&row(&[("fact", &fact), ("origin", origin.as_str()), ("value", &value)]))?;
    }
    printer.finish()?;
    Ok(Ended::Done)
}
