//! One connection to the fake server.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Mutex, PoisonError};

use super::ber::{self, Value};
use super::{Fault, Object, PASSWORD, State};

const DIRSYNC: &str = "1.2.840.113556.1.4.841";
const PAGED: &str = "1.2.840.113556.1.4.319";
const SCHEMA: &str = "CN=Schema,CN=Configuration,DC=fake,DC=example";
const SERVICE: &str = "CN=NTDS Settings,CN=DC1,CN=Configuration,DC=fake,DC=example";

/// The attributes of the schema: name, syntax, whether it is single-valued, link number.
const ATTRIBUTES: &[(&str, &str, bool, Option<&str>)] = &[
    ("cn", "2.5.5.12", true, None),
    ("name", "2.5.5.12", true, None),
    ("title", "2.5.5.12", true, None),
    ("mail", "2.5.5.12", true, None),
    ("sAMAccountName", "2.5.5.12", true, None),
    ("userPrincipalName", "2.5.5.12", true, None),
    ("telephoneNumber", "2.5.5.12", true, None),
    ("userAccountControl", "2.5.5.9", true, None),
    ("groupType", "2.5.5.9", true, None),
    ("isCriticalSystemObject", "2.5.5.8", true, None),
    ("primaryGroupID", "2.5.5.9", true, None),
    ("objectSid", "2.5.5.17", true, None),
    ("proxyAddresses", "2.5.5.12", false, None),
    ("manager", "2.5.5.1", true, Some("42")),
    ("member", "2.5.5.1", false, Some("2")),
    ("memberOf", "2.5.5.1", false, Some("3")),
];

type Attributes = Vec<(String, Vec<Vec<u8>>)>;

/// A search as it was asked for.
struct Asked {
    base: String,
    subtree: bool,
    filter: Value,
    attributes: Vec<String>,
    dirsync: Option<Vec<u8>>,
    paged: Option<(usize, Vec<u8>)>,
}

pub(crate) fn connection(mut stream: TcpStream, state: &Mutex<State>) {
    let mut pending = Vec::new();
    let mut chunk = [0; 8192];
    loop {
        while let Some((message, rest)) = ber::split(&pending) {
            let rest = rest.to_vec();
            let Some(answer) = answer(&message, state) else { return };
            if stream.write_all(&answer.octets).is_err() || answer.hang_up {
                return;
            }
            pending = rest;
        }
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return,
            Ok(read) => pending.extend(chunk.iter().take(read)),
        }
    }
}

struct Answer {
    octets: Vec<u8>,
    hang_up: bool,
}

fn answer(message: &Value, state: &Mutex<State>) -> Option<Answer> {
    let parts = message.parts();
    let id = parts.first()?.number();
    let operation = parts.get(1)?;
    let state = &mut *state.lock().unwrap_or_else(PoisonError::into_inner);
    match operation.tag {
        0x60 => {
            let good = operation.parts().get(2).is_some_and(|password| password.text() == PASSWORD);
            let text =
                "80090308: LdapErr: DSID-0C09044E, AcceptSecurityContext error, data 52e, v2580";
            let (code, text) = if good { (0, "") } else { (49, text) };
            Some(whole(id, vec![done(0x61, code, text)], None))
        }
        0x63 => {
            let asked = Asked::read(operation, parts.get(2))?;
            state.searches.push(filter_text(&asked.filter));
            Some(search(id, &asked, state))
        }
        0x42 => None,
        _ => Some(Answer { octets: Vec::new(), hang_up: false }),
    }
}

impl Asked {
    fn read(operation: &Value, controls: Option<&Value>) -> Option<Self> {
        let parts = operation.parts();
        let mut asked = Self {
            base: parts.first()?.text(),
            subtree: parts.get(1)?.number() != 0,
            filter: parts.get(6)?.clone(),
            attributes: parts.get(7)?.parts().iter().map(Value::text).collect(),
            dirsync: None,
            paged: None,
        };
        for control in controls.map(Value::parts).unwrap_or_default() {
            let parts = control.parts();
            let oid = parts.first()?.text();
            let octets = parts.iter().skip(1).find(|part| part.tag == 0x04);
            let value =
                octets.and_then(|octets| ber::split(&octets.body)).map(|(value, _)| value.parts());
            match (oid.as_str(), value) {
                (DIRSYNC, Some(value)) => asked.dirsync = Some(value.get(2)?.body.clone()),
                (PAGED, Some(value)) => {
                    let size = usize::try_from(value.first()?.number()).ok()?;
                    asked.paged = Some((size, value.get(1)?.body.clone()));
                }
                _ => {}
            }
        }
        Some(asked)
    }
}

/// The messages of an answer, the last of them with a control.
fn whole(id: i64, operations: Vec<Vec<u8>>, control: Option<(&str, Vec<u8>)>) -> Answer {
    let last = operations.len().saturating_sub(1);
    let mut octets = Vec::new();
    for (at, operation) in operations.into_iter().enumerate() {
        let mut parts = vec![ber::number(0x02, id), operation];
        if let (true, Some((oid, value))) = (at == last, &control) {
            let control = ber::sequence(0x30, &[ber::text(oid), ber::value(0x04, value)]);
            parts.push(ber::sequence(0xa0, &[control]));
        }
        octets.extend(ber::sequence(0x30, &parts));
    }
    Answer { octets, hang_up: false }
}

fn done(tag: u8, code: i64, text: &str) -> Vec<u8> {
    let code = ber::value(0x0a, &[u8::try_from(code).unwrap_or(80)]);
    ber::sequence(tag, &[code, ber::text(""), ber::text(text)])
}

fn entry(dn: &str, attributes: &Attributes) -> Vec<u8> {
    let attributes: Vec<_> = attributes
        .iter()
        .map(|(name, values)| {
            let values: Vec<_> = values.iter().map(|value| ber::value(0x04, value)).collect();
            ber::sequence(0x30, &[ber::text(name), ber::sequence(0x31, &values)])
        })
        .collect();
    ber::sequence(0x64, &[ber::text(dn), ber::sequence(0x30, &attributes)])
}

fn list(name: &str, value: &str) -> (String, Vec<Vec<u8>>) {
    (name.to_owned(), vec![value.as_bytes().to_vec()])
}

fn search(id: i64, asked: &Asked, state: &State) -> Answer {
    let one = |dn: &str, attributes: Attributes| {
        whole(id, vec![entry(dn, &attributes), done(0x65, 0, "")], None)
    };
    if asked.base.is_empty() {
        return one(
            "",
            vec![
                list("schemaNamingContext", SCHEMA),
                list("namingContexts", &state.base),
                list("supportedControl", DIRSYNC),
                list("highestCommittedUSN", &state.usn.to_string()),
                list("dsServiceName", SERVICE),
                list("dnsHostName", "dc1.fake.example"),
            ],
        );
    }
    if asked.base == SERVICE {
        return one(SERVICE, vec![("invocationId".to_owned(), vec![state.invocation.to_vec()])]);
    }
    if asked.base == SCHEMA {
        let entries = ATTRIBUTES.iter().map(|(name, syntax, single, link)| {
            let mut attributes =
                vec![list("lDAPDisplayName", name), list("attributeSyntax", syntax)];
            attributes.push(list("isSingleValued", if *single { "TRUE" } else { "FALSE" }));
            attributes.extend(link.map(|link| list("linkID", link)));
            entry(&format!("CN={name},{SCHEMA}"), &attributes)
        });
        return whole(id, entries.chain([done(0x65, 0, "")]).collect(), None);
    }
    match state.fault {
        Some(Fault::Silence) => return Answer { octets: Vec::new(), hang_up: false },
        Some(Fault::Noise) => {
            return Answer { octets: b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), hang_up: true };
        }
        Some(Fault::Referral) => return whole(id, vec![done(0x65, 10, "")], None),
        Some(Fault::Forbid) => return whole(id, vec![done(0x65, 50, "00002105: LdapErr")], None),
        Some(Fault::BadEntry) => {
            let broken = ber::sequence(0x64, &[ber::number(0x02, 5)]);
            return whole(id, vec![broken, done(0x65, 0, "")], None);
        }
        _ => {}
    }
    match &asked.dirsync {
        Some(cookie) => changes(id, asked, state, cookie),
        None => ordinary(id, asked, state),
    }
}

/// Cuts an answer as the fault of the day wants it.
fn cut(id: i64, mut entries: Vec<Vec<u8>>, state: &State) -> Result<Vec<Vec<u8>>, Answer> {
    match state.fault {
        Some(Fault::CutAfter(count)) if entries.len() > count => {
            entries.truncate(count);
            Err(Answer { hang_up: true, ..whole(id, entries, None) })
        }
        Some(Fault::SizeLimit(count)) if entries.len() > count => {
            entries.truncate(count);
            entries.push(done(0x65, 4, ""));
            Err(whole(id, entries, None))
        }
        Some(Fault::Reference) => {
            let elsewhere = ber::text("ldap://other.example/OU=Elsewhere,DC=fake,DC=example");
            entries.push(ber::sequence(0x73, &[elsewhere]));
            Ok(entries)
        }
        _ => Ok(entries),
    }
}

/// Answers DirSync: what changed since the cookie, in the order of the last change, as Active Directory does. A cookie holds
/// until where the changes were told and, between the parts of an answer, until where its objects were: what changes in the
/// meantime comes in a later part, and the answer's last cookie is past it.
fn changes(id: i64, asked: &Asked, state: &State, cookie: &[u8]) -> Answer {
    let number = |at: usize| {
        cookie
            .get(at..at + 8)
            .and_then(|octets| octets.try_into().ok())
            .map_or(0, u64::from_be_bytes)
    };
    let known = cookie.is_empty() || (cookie.starts_with(b"FAKE") && cookie.len() == 20);
    if !known || (!cookie.is_empty() && state.fault == Some(Fault::RefuseCookies)) {
        return whole(id, vec![done(0x65, 53, "00002082: the cookie")], None);
    }
    let (since, sent) = if cookie.is_empty() { (0, 0) } else { (number(4), number(12)) };
    let mut found: Vec<_> = state
        .objects
        .iter()
        .filter(|object| matches(&asked.filter, object, state))
        .filter_map(|object| {
            Some((last_change(object), changed(object, state, since, &asked.attributes)?))
        })
        .filter(|(change, _)| *change > sent)
        .collect();
    found.sort_by_key(|(change, _)| *change);
    let page = if state.dirsync_page == 0 { found.len() } else { state.dirsync_page };
    let more = page < found.len();
    found.truncate(page);
    let reached = found.last().map_or(sent, |(change, _)| *change);
    let (since, sent) = if more { (since, reached) } else { (state.usn, 0) };
    let cookie = [b"FAKE".as_slice(), &since.to_be_bytes(), &sent.to_be_bytes()].concat();
    let entries = found.into_iter().map(|(_, entry)| entry).collect();
    let mut entries = match cut(id, entries, state) {
        Ok(entries) => entries,
        Err(answer) => return answer,
    };
    entries.push(done(0x65, 0, ""));
    let leave = state.fault == Some(Fault::PromiseAndLeave);
    let value = ber::sequence(
        0x30,
        &[
            ber::number(0x02, i64::from(more || leave)),
            ber::number(0x02, 0),
            ber::value(0x04, &cookie),
        ],
    );
    match state.fault {
        Some(Fault::NoAnswerControl) => whole(id, vec![done(0x65, 0, "")], None),
        Some(Fault::BadAnswerControl) => {
            whole(id, entries, Some((DIRSYNC, vec![0x30, 0x7f, 0x02])))
        }
        _ => Answer { hang_up: leave, ..whole(id, entries, Some((DIRSYNC, value))) },
    }
}

/// The number of an object's last change.
fn last_change(object: &Object) -> u64 {
    let attributes = object.attributes.values().map(|(usn, _)| *usn);
    attributes.chain(object.links.iter().map(|(_, _, usn, _)| *usn)).max().unwrap_or_default()
}

/// What changed of an object since a number; nothing when nothing did.
fn changed(object: &Object, state: &State, since: u64, wanted: &[String]) -> Option<Vec<u8>> {
    let asked = |name: &str| wanted.iter().any(|wanted| wanted.eq_ignore_ascii_case(name));
    let mut touched = false;
    let mut attributes: Attributes = vec![("objectGUID".to_owned(), vec![object.guid.to_vec()])];
    for (name, (usn, values)) in &object.attributes {
        if *usn > since {
            touched = true;
            if asked(name) {
                attributes.push((name.clone(), values.clone()));
            }
        }
    }
    for (there, range) in [(true, "1-1"), (false, "0-0")] {
        for name in ["manager", "member"] {
            let values: Vec<_> = object
                .links
                .iter()
                .filter(|(link, _, usn, is)| link == name && *usn > since && *is == there)
                .map(|(_, other, ..)| linked(*other, state))
                .collect();
            // A link that is gone is of no interest to somebody who never heard of it.
            if !values.is_empty() && (there || since > 0) {
                touched = true;
                if asked(name) {
                    attributes.push((format!("{name};range={range}"), values));
                }
            }
        }
    }
    touched.then(|| entry(&object.dn, &attributes))
}

/// A name with its GUID, as the extended DN control gives it.
fn linked(guid: [u8; 16], state: &State) -> Vec<u8> {
    let dn = state
        .objects
        .iter()
        .find(|object| object.guid == guid)
        .map_or("", |object| object.dn.as_str());
    let hex: String = guid.iter().map(|octet| format!("{octet:02x}")).collect();
    format!("<GUID={hex}>;{dn}").into_bytes()
}

fn ordinary(id: i64, asked: &Asked, state: &State) -> Answer {
    let by_guid = asked.base.strip_prefix("<GUID=").and_then(|rest| rest.strip_suffix('>'));
    let place = state.objects.iter().find(|object| match by_guid {
        Some(guid) => readable(object.guid) == guid.to_ascii_lowercase(),
        None => object.dn.eq_ignore_ascii_case(&asked.base),
    });
    let Some(place) = place else {
        return whole(id, vec![done(0x65, 32, "0000208D: NameErr")], None);
    };
    let below = format!(",{}", place.dn);
    let found: Vec<_> = state
        .objects
        .iter()
        .filter(|object| !object.deleted)
        .filter(|object| {
            object.guid == place.guid || (asked.subtree && object.dn.ends_with(&below))
        })
        .filter(|object| matches(&asked.filter, object, state))
        .map(|object| entry(&object.dn, &shown(object, state, &asked.attributes)))
        .collect();
    let (size, cookie) = asked.paged.clone().unwrap_or((usize::MAX, Vec::new()));
    let sent = cookie.iter().fold(0, |sum, octet| sum << 8 | usize::from(*octet)).min(found.len());
    let end = sent.saturating_add(size).min(found.len());
    let cookie = if end < found.len() {
        u32::try_from(end).unwrap_or(0).to_be_bytes().to_vec()
    } else {
        Vec::new()
    };
    let mut entries = match cut(id, found.into_iter().take(end).skip(sent).collect(), state) {
        Ok(entries) => entries,
        Err(answer) => return answer,
    };
    entries.push(done(0x65, 0, ""));
    let value = ber::sequence(0x30, &[ber::number(0x02, 0), ber::value(0x04, &cookie)]);
    whole(id, entries, asked.paged.is_some().then_some((PAGED, value)))
}

/// The attributes of an object in an ordinary search, long lists cut.
fn shown(object: &Object, state: &State, wanted: &[String]) -> Attributes {
    let mut attributes = Attributes::new();
    for wanted in wanted {
        let (name, from) = match wanted.split_once(";range=") {
            Some((name, range)) => {
                (name, range.split('-').next().and_then(|from| from.parse().ok()).unwrap_or(0))
            }
            None => (wanted.as_str(), 0),
        };
        if name.eq_ignore_ascii_case("objectGUID") {
            attributes.push(("objectGUID".to_owned(), vec![object.guid.to_vec()]));
            continue;
        }
        let links: Vec<_> = object
            .links
            .iter()
            .filter(|(link, _, _, there)| link.eq_ignore_ascii_case(name) && *there)
            .map(|(_, other, ..)| linked(*other, state))
            .collect();
        if !links.is_empty() {
            let lost = from > 0 && state.fault == Some(Fault::LoseRange);
            if from == 0 && links.len() <= state.range {
                attributes.push((name.to_owned(), links));
            } else if !lost && from < links.len() {
                let end = (from + state.range).min(links.len());
                let last = if end == links.len() { "*".to_owned() } else { (end - 1).to_string() };
                let part = links.into_iter().take(end).skip(from).collect();
                attributes.push((format!("{name};range={from}-{last}"), part));
            }
            continue;
        }
        let found = object.attributes.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        if let Some((known, (_, values))) = found
            && !values.is_empty()
        {
            attributes.push((known.clone(), values.clone()));
        }
    }
    attributes
}

fn readable(guid: [u8; 16]) -> String {
    let hex = |part: &[u8]| part.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
    let reversed =
        |from: usize, to: usize| guid[from..to].iter().rev().copied().collect::<Vec<_>>();
    format!(
        "{}-{}-{}-{}-{}",
        hex(&reversed(0, 4)),
        hex(&reversed(4, 6)),
        hex(&reversed(6, 8)),
        hex(&guid[8..10]),
        hex(&guid[10..])
    )
}

/// Whether an object meets a filter.
fn matches(filter: &Value, object: &Object, state: &State) -> bool {
    match filter.tag {
        0xa0 => filter.parts().iter().all(|part| matches(part, object, state)),
        0xa1 => filter.parts().iter().any(|part| matches(part, object, state)),
        0xa2 => filter.parts().first().is_some_and(|part| !matches(part, object, state)),
        0xa3 => {
            let parts = filter.parts();
            let (Some(name), Some(value)) = (parts.first(), parts.get(1)) else { return false };
            let name = name.text();
            if name.eq_ignore_ascii_case("objectGUID") {
                return object.guid.as_slice() == value.body;
            }
            // The other end of `member`.
            if name.eq_ignore_ascii_case("memberOf") {
                return state.objects.iter().any(|group| {
                    let has = |(link, other, _, there): &(String, [u8; 16], u64, bool)| {
                        link == "member" && *other == object.guid && *there
                    };
                    group.dn.eq_ignore_ascii_case(&value.text()) && group.links.iter().any(has)
                });
            }
            let found =
                object.attributes.iter().find(|(known, _)| known.eq_ignore_ascii_case(&name));
            found.is_some_and(|(_, (_, values))| {
                values.iter().any(|known| known.eq_ignore_ascii_case(&value.body))
            })
        }
        0x87 => true,
        _ => false,
    }
}

fn filter_text(filter: &Value) -> String {
    match filter.tag {
        0xa0..=0xa2 => {
            let parts: String = filter.parts().iter().map(filter_text).collect();
            format!("({}{parts})", ['&', '|', '!'][usize::from(filter.tag - 0xa0)])
        }
        0xa3 => {
            let parts: Vec<_> = filter.parts().iter().map(Value::text).collect();
            format!("({})", parts.join("="))
        }
        0x87 => format!("({}=*)", filter.text()),
        tag => format!("({tag:#x})"),
    }
}
