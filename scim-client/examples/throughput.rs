//! How many users a second the client creates and reads, with 16 calls under way:
//!
//! ```text
//! SCIM_URL=http://127.0.0.1:8080/scim/v2 SCIM_TOKEN=... cargo run --release --example throughput -- 3
//! ```
//!
//! The number is the seconds for each of the two; a second one ends each after so many calls. `SCIM_TRANSPORT` says what
//! carries them: `reqwest`, as without it, or `hyper`. It writes to the server: use one that can be thrown away.

use std::error::Error;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use scim_client::scim_core::{Email, Name, PhoneNumber, User};
use scim_client::transport::HyperTransport;
use scim_client::{Auth, Client};

const CONNECTIONS: usize = 16;

/// Users that are made before the clock runs, for each second of it.
const USERS_A_SECOND: f64 = 20_000.0;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

// One thread, as a program has to spare that does something beside.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let setting = |name: &str| std::env::var(name).map_err(|_| format!("{name} is not set"));
    let mut scim = Client::builder(setting("SCIM_URL")?).auth(Auth::bearer(setting("SCIM_TOKEN")?));
    match std::env::var("SCIM_TRANSPORT").as_deref() {
        Ok("hyper") => scim = scim.transport(HyperTransport::builder().build()?),
        Ok("reqwest") | Err(_) => {}
        Ok(other) => return Err(format!("SCIM_TRANSPORT: there is no {other}").into()),
    }
    let scim = scim.build()?;
    let seconds: f64 = std::env::args().nth(1).map_or(Ok(3.0), |text| text.parse())?;
    let calls: usize = std::env::args().nth(2).map_or(Ok(usize::MAX), |text| text.parse())?;
    let run = std::process::id();

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float saturates"
    )]
    let most = calls.min((USERS_A_SECOND * seconds) as usize);
    let users: Arc<[User]> = (0..most).map(|number| user(run, number)).collect();
    let seconds = Duration::from_secs_f64(seconds);

    let create = {
        let (scim, users) = (scim.clone(), Arc::clone(&users));
        move |number: usize| {
            let create = scim.users().create(&users[number]);
            async move { Ok(create.await?.id()?.to_owned()) }
        }
    };
    let ids: Arc<[String]> = measure("create", seconds, most, create).await?.into();

    // Scattered over all of them, and the same in every run.
    let get = move |number: usize| {
        let get = scim.users().get(&ids[number.wrapping_mul(7_919) % ids.len()]);
        async move { get.await.map(drop).map_err(Into::into) }
    };
    measure("get", seconds, calls, get).await?;
    Ok(())
}

/// Makes calls, each of the 16 one after the other, until the time is over or all are made.
async fn measure<T, F>(
    what: &str,
    seconds: Duration,
    calls: usize,
    call: impl Fn(usize) -> F + Clone + Send + 'static,
) -> Outcome<Vec<T>>
where
    T: Send + 'static,
    F: Future<Output = Outcome<T>> + Send,
{
    let next = Arc::new(AtomicUsize::new(0));
    let begin = Instant::now();
    let connections: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let (call, next) = (call.clone(), Arc::clone(&next));
            tokio::spawn(async move {
                let mut outcomes = Vec::new();
                while begin.elapsed() < seconds {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= calls {
                        break;
                    }
                    outcomes.push(call(number).await?);
                }
                Outcome::Ok(outcomes)
            })
        })
        .collect();
    let mut all = Vec::new();
    for connection in connections {
        all.append(&mut connection.await??);
    }
    let (count, took) = (all.len(), begin.elapsed().as_secs_f64());
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = count as f64 / took;
    println!("{what:<7} {count:>8}  {rate:>9.0}/s");
    Ok(all)
}

fn user(run: u32, number: usize) -> User {
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
