//! How many users a second the client creates and reads, with 16 calls under way:
//!
//! ```text
//! SCIM_URL=http://127.0.0.1:8080/scim/v2 SCIM_TOKEN=... cargo run --release --example throughput -- 3
//! ```
//!
//! The number is the seconds for each of the two. It writes to the server: use one that can be thrown away.

use std::error::Error;
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use scim_client::scim_core::{Email, Name, PhoneNumber, User};
use scim_client::{Auth, Client};

const CONNECTIONS: usize = 16;

// One thread, as a program has to spare that does something beside.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let setting = |name: &str| std::env::var(name).map_err(|_| format!("{name} is not set"));
    let scim =
        Client::builder(setting("SCIM_URL")?).auth(Auth::bearer(setting("SCIM_TOKEN")?)).build()?;
    let seconds = std::env::args().nth(1).map_or(Ok(3.0), |text| text.parse())?;
    let seconds = Duration::from_secs_f64(seconds);
    let run = std::process::id();

    let mut ids = Vec::new();
    let begin = Instant::now();
    let mut creates = stream::iter(0..)
        .take_while(|_| std::future::ready(begin.elapsed() < seconds))
        .map(|number| {
            let scim = scim.clone();
            async move { scim.users().create(&user(run, number)).await }
        })
        .buffer_unordered(CONNECTIONS);
    while let Some(created) = creates.next().await {
        ids.push(created?.id()?.to_owned());
    }
    print("create", ids.len(), begin.elapsed());

    let begin = Instant::now();
    // Scattered over all of them, and the same in every run.
    let mut reads =
        stream::iter((0..).map(|number: usize| &ids[number.wrapping_mul(7_919) % ids.len()]))
            .take_while(|_| std::future::ready(begin.elapsed() < seconds))
            .map(|id| {
                let scim = scim.clone();
                async move { scim.users().get(id).await }
            })
            .buffer_unordered(CONNECTIONS);
    let mut read = 0;
    while let Some(user) = reads.next().await {
        user?;
        read += 1;
    }
    print("get", read, begin.elapsed());
    Ok(())
}

fn user(run: u32, number: u64) -> User {
    let (given, family) = (format!("Given{}", number % 311), format!("Family{}", number % 997));
    let address = format!("{run}.{number}@example.com");
    User::new(&address)
        .with_external_id(format!("{run}-{number}"))
        .with_display_name(format!("{given} {family}"))
        .with_name(Name::new(given, family))
        .with_title("Engineer")
        .with_active(true)
        .with_email(Email::work(&address).primary())
        .with_email(Email::home(format!("{run}.{number}@home.example")))
        .with_phone_number(PhoneNumber::work(format!("+1-555-{:07}", number % 10_000_000)))
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn print(what: &str, count: usize, took: Duration) {
    println!("{what:<7} {count:>8}  {:>9.0}/s", count as f64 / took.as_secs_f64());
}
