//! A measurement, run by hand: `cargo test -p scim-sync --release -- --ignored --nocapture flows`.

use std::time::Instant;

use scim_sync::AttributeSet;
use scim_sync::expr::{Context, Dialect, Expression, NoRandom};

use super::now;

#[test]
#[ignore = "a measurement, not a test"]
fn flows_of_many_objects() {
    const OBJECTS: u32 = 100_000;
    let flows: Vec<Expression> = [
        "[mail]",
        "Trim([displayName])",
        r#"ToLower(Join("@", [mailNickname], "contoso.com"))"#,
        r#"IIF([c] = "USA", [st], [c])"#,
        r#"Switch([department], "other", "IT", "it", "HR", "hr")"#,
        r#"Replace([mail], , "@(?<domain>.*)$", , "", , )"#,
        "BitAnd([userAccountControl], 2)",
        "Coalesce([nothing], [mail])",
        r#"Append(Left([sn], 3), Mid([givenName], 1, 3))"#,
        "RemoveDuplicates([proxyAddresses])",
    ]
    .into_iter()
    .cycle()
    .take(30)
    .map(|text| Expression::parse(text, Dialect::Provisioning).expect("an expression"))
    .collect();
    let object = AttributeSet::new()
        .with("mail", "somebody.with.a.long.name@contoso.com")
        .with("displayName", " Somebody With a Long Name ")
        .with("mailNickname", "Somebody")
        .with("c", "USA")
        .with("st", "CA")
        .with("department", "HR")
        .with("userAccountControl", 514)
        .with("sn", "Smith")
        .with("givenName", "Zoe")
        .with("proxyAddresses", "SMTP:somebody.with.a.long.name@contoso.com")
        .with("proxyAddresses", "smtp:swaln@contoso.com");
    let (start, moment) = (Instant::now(), now());
    let mut values = 0;
    for _ in 0..OBJECTS {
        let cx = Context::new(&object, moment, &NoRandom);
        for flow in &flows {
            values += flow.evaluate(&cx).expect("a value").values().len();
        }
    }
    println!("{OBJECTS} objects x {} flows: {:?}, {values} values", flows.len(), start.elapsed());
}
