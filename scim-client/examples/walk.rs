//! How much memory a walk through a large directory takes: creates users with bulk, or reads them all and says what it
//! had resident at the peak (`VmHWM`, Linux only).
//!
//! ```text
//! export SCIM_URL=http://127.0.0.1:8080/scim/v2 SCIM_TOKEN=...
//! cargo run --release --example walk -- create 100000
//! cargo run --release --example walk -- read
//! ```
//!
//! It writes to the server: use one that can be thrown away.

use std::error::Error;

use futures::TryStreamExt;
use scim_client::scim_core::{Email, Name, PhoneNumber, User};
use scim_client::{Auth, Client};

/// Users of one bulk request.
const AT_ONCE: usize = 1_000;

// One thread: each more has stacks and arenas of its own.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let setting = |name: &str| std::env::var(name).map_err(|_| format!("{name} is not set"));
    let scim =
        Client::builder(setting("SCIM_URL")?).auth(Auth::bearer(setting("SCIM_TOKEN")?)).build()?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["create", count] => create(&scim, count.parse()?).await,
        ["read"] => read(&scim).await,
        _ => Err("say `create` and how many, or `read`".into()),
    }
}

async fn create(scim: &Client, count: usize) -> Result<(), Box<dyn Error>> {
    for first in (0..count).step_by(AT_ONCE) {
        let mut bulk = scim.bulk();
        for number in first..(first + AT_ONCE).min(count) {
            bulk.create(&user(number));
        }
        let report = bulk.await?;
        if !report.is_done() {
            return Err(report.to_string().into());
        }
    }
    println!("created {count}");
    Ok(())
}

async fn read(scim: &Client) -> Result<(), Box<dyn Error>> {
    let mut users = scim.users().list().stream();
    let (mut read, mut active) = (0_u64, 0_u64);
    while let Some(user) = users.try_next().await? {
        read += 1;
        active += u64::from(user.active.unwrap_or(false));
    }
    println!("read {read} users, {active} of them active; at the peak {}", peak()?);
    Ok(())
}

/// The largest resident size that this process has had, code and all.
fn peak() -> Result<String, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    Ok(line.ok_or("the system does not tell the peak")?.trim().to_owned())
}

fn user(number: usize) -> User {
    let (given, family) = (format!("Given{}", number % 311), format!("Family{}", number % 997));
    let address = format!("user{number}@example.com");
    User::new(&address)
        .with_external_id(format!("person-{number}"))
        .with_display_name(format!("{given} {family}"))
        .with_name(Name::new(given, family))
        .with_title("Engineer")
        .with_active(!number.is_multiple_of(10))
        .with_email(Email::work(&address).primary())
        .with_email(Email::home(format!("user{number}@home.example")))
        .with_phone_number(PhoneNumber::work(format!("+1-555-{:07}", number % 10_000_000)))
}
