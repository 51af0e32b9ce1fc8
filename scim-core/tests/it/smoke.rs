//! The fuzz targets on stable, in bounded time: tens of thousands of changed messages of the RFCs and vectors. The seed is
//! fixed, so a failure repeats.

use chrono::DateTime;
use scim_core::query::{Cursor, CursorCodec, CursorKey, CursorScope};
use serde_json::Value;

use crate::fixtures::{fixture, fixtures};
use crate::targets;

/// A small generator of our own.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % (sides as u64)).unwrap()
    }
}

const WORDS: [&str; 40] = [
    "\"",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "null",
    "true",
    "false",
    "0",
    "-1",
    "1e999",
    "\\u0000",
    "\\ud800",
    "\\",
    "\0",
    "\u{feff}",
    "(",
    ")",
    " and ",
    " or ",
    "not (",
    " eq ",
    " pr",
    ".value",
    "[type eq \"work\"]",
    "urn:",
    "bulkId:",
    "bulkId:qwerty",
    "members",
    "emails",
    "Operations",
    "op",
    "path",
    "value",
    "primary",
    "&",
    "%2",
    "=",
];

/// One to four changes: a bit, a cut, a repetition, a word, a piece of another seed.
fn change(dice: &mut Dice, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds[dice.roll(seeds.len())].clone();
    for _ in 0..=dice.roll(4) {
        let at = dice.roll(bytes.len() + 1);
        let end = at + dice.roll((bytes.len() - at).min(40) + 1);
        match dice.roll(7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << dice.roll(8),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let piece = bytes[at..end].repeat(dice.roll(20));
                drop(bytes.splice(at..at, piece));
            }
            3 => {
                let other = &seeds[dice.roll(seeds.len())];
                let from = dice.roll(other.len() + 1);
                let to = from + dice.roll((other.len() - from).min(200) + 1);
                drop(bytes.splice(at..end, other[from..to].iter().copied()));
            }
            4 if dice.roll(8) == 0 => bytes.truncate(at),
            5 => drop(bytes.splice(at..at, WORDS[dice.roll(WORDS.len())].bytes())),
            _ => drop(bytes.splice(at..end, WORDS[dice.roll(WORDS.len())].bytes())),
        }
    }
    bytes
}

/// Runs a target so many times; at least one input in `taken` must get past the parser, or the changes miss the point.
fn run(seeds: &[Vec<u8>], rounds: usize, taken: usize, target: impl Fn(&[u8]) -> bool) {
    assert!(seeds.len() > 3, "only {} seeds", seeds.len());
    let mut dice = Dice(0x5eed_cafe_f00d_0002);
    let mut good = 0;
    for _ in 0..rounds {
        good += usize::from(target(&change(&mut dice, seeds)));
    }
    assert!(good >= rounds / taken, "only {good} of {rounds} were taken");
    assert!(good < rounds, "all were taken");
}

/// As [`run`], for a target that reads text.
fn run_text(seeds: &[Vec<u8>], rounds: usize, taken: usize, target: impl Fn(&str) -> bool) {
    run(seeds, rounds, taken, |bytes| target(&String::from_utf8_lossy(bytes)));
}

fn messages(start: &str) -> Vec<Vec<u8>> {
    fixtures(start).into_iter().map(|(_, text)| compact(&text)).collect()
}

/// Without the white space that changes would be lost in.
fn compact(text: &str) -> Vec<u8> {
    let value: Value = serde_json::from_str(text).unwrap();
    value.to_string().into_bytes()
}

fn vectors(file: &str, member: &str) -> Vec<Vec<u8>> {
    let cases: Value = serde_json::from_str(&fixture(file)).unwrap();
    let cases = cases["cases"].as_array().unwrap();
    cases.iter().map(|case| case[member].as_str().unwrap().as_bytes().to_vec()).collect()
}

#[test]
fn filters() {
    run_text(&vectors("vectors/filters.json", "filter"), 20_000, 20, targets::filter);
}

#[test]
fn patch_paths() {
    run_text(&vectors("vectors/paths.json", "path"), 20_000, 20, targets::patch_path);
}

#[test]
fn bodies() {
    run(&messages("rfc/"), 15_000, 20, targets::json);
}

#[test]
fn patches() {
    let mut seeds = messages("rfc/rfc7644-3.5.2");
    // Seeds that the two resources of the target have a place for.
    for (op, path, value) in [
        ("add", "emails", r#"[{"value":"a@b","type":"other"}]"#),
        ("replace", r#"emails[type eq \"work\"].value"#, r#""x@y""#),
        ("remove", r#"phoneNumbers[type eq \"work\"]"#, "null"),
        ("replace", "name.familyName", r#""Smith""#),
        ("add", "members", r#"[{"value":"7"}]"#),
        ("remove", r#"members[value eq \"2819c223-7f76-453a-919d-413861904646\"]"#, "null"),
        (
            "replace",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value",
            r#""1""#,
        ),
    ] {
        let text = format!(
            r#"{{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{{"op":"{op}","path":"{path}","value":{value}}}]}}"#
        );
        seeds.push(compact(&text));
    }
    run(&seeds, 15_000, 20, targets::patch);
}

#[test]
fn bulks() {
    let requests = fixtures("rfc/rfc7644-3.7").into_iter().filter(|(n, _)| n.contains("request"));
    let seeds: Vec<Vec<u8>> = requests.map(|(_, text)| compact(&text)).collect();
    run(&seeds, 15_000, 20, targets::bulk);
}

#[test]
fn queries() {
    let seeds = [
        "filter=userName%20sw%20%22J%22&count=10&startIndex=0",
        "attributes=userName,emails.value&sortBy=name.familyName&sortOrder=descending",
        "excludedAttributes=members&count=5&cursor=abc",
        "filter=emails%5Btype+eq+%22work%22+and+value+co+%22%40example.com%22%5D&startIndex=1",
        "FILTER=id+pr&&?&unknown=1",
        "cursor&count=10",
    ];
    let seeds = seeds.map(|seed| seed.as_bytes().to_vec());
    run_text(&seeds, 20_000, 20, targets::query);
}

/// Cursors that this key sealed for other queries, as they are and changed: none opens.
#[test]
fn cursors() {
    let codec = CursorCodec::new(&CursorKey::new(1, [1; 32]));
    let seeds: Vec<Vec<u8>> = ["/Groups", "/", "/Contacts", "/Users/.search"]
        .map(|endpoint| {
            let scope = CursorScope::new("default", endpoint, None, None);
            let cursor = Cursor {
                sort_key: None,
                id: "2819c223-7f76-453a-919d-413861904646".into(),
                count: Some(10),
                total: Some(99),
                issued: DateTime::UNIX_EPOCH,
            };
            codec.seal(&cursor, &scope).into_bytes()
        })
        .to_vec();
    for seed in &seeds {
        targets::cursor(std::str::from_utf8(seed).unwrap());
    }
    let mut dice = Dice(0x5eed_cafe_f00d_0003);
    for _ in 0..20_000 {
        targets::cursor(&String::from_utf8_lossy(&change(&mut dice, &seeds)));
    }
}
