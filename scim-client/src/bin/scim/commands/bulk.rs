//! `scim bulk FILE...`.

use anyhow::Context;
use clap::Args;
use scim_client::scim_core::bulk::BulkRequest;
use scim_client::scim_core::{Leniency, Object, Profile, Resource, Value, urn};
use scim_client::{BulkOutcome, Client, Fate};

use super::told;
use crate::ended::{Ended, is_refusal, note};
use crate::input::{self, STDIN};
use crate::output::{OutputArgs, Printer};

pub(crate) const EXAMPLES: &str = r#"A file holds a BulkRequest message (RFC 7644 section 3.7), or operations, one
after the other. They are sent in batches within the limits that the server
announces, or one by one where it has no bulk.

Examples:
  scim bulk changes.json
  echo '{"method":"DELETE","path":"/Users/2819c223"}' | scim bulk -
  scim bulk first.json second.json --fail-on-errors 1 --format table"#;

#[derive(Args, Debug)]
pub(crate) struct BulkArgs {
    /// Files, or - for standard input
    #[arg(value_name = "FILE", default_value = STDIN)]
    files: Vec<String>,
    /// Begin nothing more after so many errors
    #[arg(long, value_name = "N")]
    fail_on_errors: Option<u64>,
    /// Operations in a request, if the server takes more
    #[arg(long, value_name = "N")]
    max_operations: Option<usize>,
    #[command(flatten)]
    output: OutputArgs,
}

/// Messages as they are; operations that stand alone, as one message.
fn requests(file: &str) -> anyhow::Result<Vec<BulkRequest>> {
    let (mut messages, mut alone) = (Vec::new(), Vec::new());
    for object in input::objects(file)? {
        match object.contains("Operations") {
            true => messages.push(object),
            false => alone.push(Value::Object(object)),
        }
    }
    if !alone.is_empty() {
        let mut message = Object::new();
        message.insert("schemas", [urn::BULK_REQUEST]);
        message.insert("Operations", Value::Array(alone));
        messages.push(message);
    }
    let read = |message: Object| {
        let mut leniency = Leniency::new(Profile::default());
        BulkRequest::from_object(message, &input::limits(), &mut leniency)
            .with_context(|| format!("{} is no bulk request", input::shown(file)))
    };
    messages.into_iter().map(read).collect()
}

fn row(outcome: &BulkOutcome) -> Resource {
    let mut row = Resource::new();
    row.set("method", outcome.method.to_string());
    row.set("path", outcome.path.as_str());
    row.set("bulkId", outcome.bulk_id.as_str());
    for (name, value) in
        [("id", &outcome.id), ("location", &outcome.location), ("version", &outcome.version)]
    {
        if let Some(value) = value {
            row.set(name, value.as_str());
        }
    }
    let (fate, detail) = match &outcome.fate {
        Fate::Done(_) => ("done", None),
        Fate::Pending { .. } => ("pending", None),
        Fate::Failed(error) => ("refused", Some(error.to_string())),
        Fate::Dangling { bulk_id } => ("not sent", Some(format!("there is no bulkId:{bulk_id}"))),
        Fate::NotAttempted => ("not begun", None),
        Fate::Unknown(error) => ("unknown", Some(error.to_string())),
        _ => ("other", Some(outcome.to_string())),
    };
    row.set("outcome", fate);
    if let Some(detail) = detail {
        row.set("detail", detail);
    }
    row
}

pub(crate) async fn run(client: &Client, args: BulkArgs) -> anyhow::Result<Ended> {
    let mut bulk = client.bulk();
    for file in &args.files {
        for request in requests(file)? {
            bulk.extend(&request).with_context(|| input::shown(file).to_owned())?;
        }
    }
    if let Some(errors) = args.fail_on_errors {
        bulk = bulk.fail_on_errors(errors);
    }
    if let Some(operations) = args.max_operations {
        bulk = bulk.max_operations(operations);
    }
    // What is wrong with the columns is said before anything is sent.
    let columns = args.output.columns(&["method", "path", "id", "outcome", "detail"])?;
    let mut printer = Printer::new(args.output.format, &columns, true)?;
    let report = bulk.await?;
    let mut refused = 0;
    for (number, outcome) in report.outcomes().iter().enumerate() {
        told(printer.write(&row(outcome)))?;
        if !outcome.is_done() && !matches!(outcome.fate, Fate::Pending { .. }) {
            note(&format!("operation {}: {outcome}", number + 1));
            refused += 1;
        }
    }
    told(printer.finish())?;
    // Where nobody was let in, or nothing answered, nothing was refused: it could not run.
    let stopped = report.outcomes().iter().filter_map(BulkOutcome::error).find(|e| !is_refusal(e));
    match stopped {
        Some(error) if !report.outcomes().iter().any(BulkOutcome::is_done) => {
            Err(error.clone().into())
        }
        _ => Ok(Ended::with(refused)),
    }
}
