//! Every example of RFC 9967 reads, and writes as it was.

use scim_core::bulk::BulkMethod;
use scim_core::event::{Content, EventUri, SecurityEventToken};
use serde_json::{Value as Json, json};

use crate::fixtures::{fixture, fixtures};

#[test]
fn the_examples_of_the_rfc_round_trip() {
    let mut ran = 0;
    for (name, text) in fixtures("rfc/rfc9967-") {
        if name.contains("request") {
            continue;
        }
        let token: SecurityEventToken =
            serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
        let again = serde_json::to_value(&token).unwrap();
        assert_eq!(again, serde_json::from_str::<Json>(&text).unwrap(), "{name}");
        assert!(token.more.is_empty() && token.sub_id.more.is_empty(), "{name}");
        assert!(token.events.keys().all(|uri| EventUri::ALL.contains(uri)), "{name}");
        assert_eq!(serde_json::to_value(token.to_object()).unwrap(), again, "{name}");
        ran += 1;
    }
    assert_eq!(ran, 16);
}

#[test]
fn payloads_are_typed() {
    let token =
        |name: &str| -> SecurityEventToken { serde_json::from_str(&fixture(name)).unwrap() };
    let patch = token("rfc/rfc9967-2.4.2-prov-patch-notice.json");
    let payload = &patch.events[&EventUri::PatchNotice];
    assert_eq!(payload.content, Content::Attributes(vec!["members".to_owned()]));
    assert_eq!(payload.version.as_deref(), Some("a330bc54f0671c9"));
    assert_eq!(patch.sub_id.external_id.as_deref(), Some("crmUsers"));
    assert!(
        patch.aud.unwrap().includes("https://scim.example.com/Feeds/98d52461fa5bbc879593b7754")
    );
    let response = token("rfc/rfc9967-2.5.1.3-misc-asyncresp-error.json");
    let Content::Result(result) = &response.events[&EventUri::AsyncResponse].content else {
        panic!("no result")
    };
    assert_eq!((result.method, result.status.as_u16()), (Some(BulkMethod::Put), 400));
    assert!(!result.is_success());
}

fn with(change: impl FnOnce(&mut Json)) -> Result<SecurityEventToken, serde_json::Error> {
    let mut claims = json!({
        "iss": "https://scim.example.com", "iat": 1, "jti": "j", "aud": "one", "nonce": "kept",
        "sub_id": { "format": "scim", "uri": "/Users/7", "userName": "ada" },
        "events": { "urn:ietf:params:scim:event:prov:delete": {}, "urn:example:event:x": { "a": 1, "version": "2" } }
    });
    change(&mut claims);
    serde_json::from_value(claims)
}

#[test]
fn what_the_rfc_does_not_define_is_kept() {
    let token = with(|_| {}).unwrap();
    assert_eq!(serde_json::to_value(&token).unwrap(), with_json());
    assert!(token.events.contains_key(&EventUri::Other("urn:example:event:x".into())));
}

fn with_json() -> Json {
    let mut kept = Json::Null;
    let _ = with(|claims| kept = claims.clone());
    kept
}

#[test]
fn what_contradicts_the_rfc_is_refused() {
    let events = |events: Json| move |claims: &mut Json| claims["events"] = events;
    let create = "urn:ietf:params:scim:event:prov:create:full";
    let notice = "urn:ietf:params:scim:event:prov:put:notice";
    for (case, result) in [
        ("sub", with(|c| c["sub"] = json!("x"))),
        ("no iss", with(|c| drop(c.as_object_mut().unwrap().remove("iss")))),
        ("iat", with(|c| c["iat"] = json!("1"))),
        ("aud", with(|c| c["aud"] = json!([1]))),
        ("format", with(|c| c["sub_id"]["format"] = json!("email"))),
        ("no uri", with(|c| c["sub_id"] = json!({ "format": "scim" }))),
        ("no events", with(events(json!({})))),
        ("both", with(events(json!({ create: { "data": {}, "attributes": [] } })))),
        ("neither", with(events(json!({ create: {} })))),
        ("attributes for full", with(events(json!({ create: { "attributes": ["id"] } })))),
        ("data for notice", with(events(json!({ notice: { "data": {} } })))),
        ("names", with(events(json!({ notice: { "attributes": [1] } })))),
        (
            "status",
            with(events(
                json!({ "urn:ietf:params:scim:event:misc:asyncresp": { "method": "PUT" } }),
            )),
        ),
        (
            "delete with data",
            with(events(json!({ "urn:ietf:params:scim:event:prov:delete": { "data": {} } }))),
        ),
    ] {
        assert!(result.is_err(), "{case}");
    }
}
