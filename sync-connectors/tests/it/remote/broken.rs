//! Agents that answer what they must not answer.

use serde_json::{Value, json};

use super::*;

/// A relay that answers every request with the same bytes.
struct Canned {
    status: u16,
    content_type: &'static str,
    body: Vec<u8>,
    /// What comes behind the body.
    fails: Option<RelayError>,
}

#[async_trait]
impl Relay for Canned {
    async fn send(
        &self,
        _: http::Request<Bytes>,
        _: Duration,
    ) -> Result<http::Response<RelayBody>, RelayError> {
        if let (Some(error), true) = (&self.fails, self.body.is_empty()) {
            return Err(error.clone());
        }
        let pieces = [Ok(Bytes::from(self.body.clone()))].into_iter();
        let body = stream::iter(pieces.chain(self.fails.clone().map(Err))).boxed();
        let response = http::Response::builder().status(self.status);
        Ok(response.header("content-type", self.content_type).body(body).unwrap())
    }
}

const LINES: &str = "application/x-ndjson";
const END: &str = "urn:ietf:params:scim:schemas:extension:hybrid:2.0:ReadEnd";
const USER: &str = "urn:ietf:params:scim:schemas:extension:hybrid:2.0:directory:user";

fn canned(lines: &[String]) -> RemoteConnector {
    let body = lines.concat().into_bytes();
    remote(Arc::new(Canned { status: 200, content_type: LINES, body, fails: None }))
}

fn page(resources: Value, end: bool) -> String {
    let mut page = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "Resources": resources,
    });
    if end {
        page[END] = json!({"sweep": true});
    }
    format!("{page}\n")
}

fn ada() -> Value {
    json!({
        "id": "ada",
        "change": "object",
        "meta": {"resourceType": "user"},
        "scope": {"included": true},
        USER: {"cn": "Ada"},
    })
}

/// Ada, with one member more or another.
fn with(name: &str, value: Value) -> Value {
    let mut ada = ada();
    ada[name] = value;
    ada
}

fn users() -> ImportShape {
    shape(&[("user", &["cn", "member"])])
}

async fn full(connector: &RemoteConnector) -> Read {
    read(connector, &users(), ImportMode::Full).await
}

#[tokio::test]
async fn a_good_answer_is_believed() {
    let told = full(&canned(&[page(json!([ada()]), false), page(json!([]), true)])).await;
    assert!(told.end.is_some() && told.changes.len() == 1, "{told:?}");
    let found = canned(&[page(json!([ada()]), true)]).read(&["ada".into()], &users()).await;
    assert_eq!(found.unwrap()[0].attributes.len(), 1);
}

#[tokio::test]
async fn what_is_no_such_answer_is_a_protocol_error() {
    let resources = [
        with("id", json!(7)),
        with("id", json!(null)),
        with("change", json!("moved")),
        with("meta", json!({})),
        with("meta", json!({"resourceType": "group"})),
        with("scope", json!(null)),
        with("scope", json!({"included": "yes"})),
        with("dn", json!(["CN=a"])),
        with(USER, json!("Ada")),
        with(USER, json!({"cn": null})),
        with(USER, json!({"cn": []})),
        with(USER, json!({"cn": 1.5})),
        with(USER, json!({"cn": [["Ada"]]})),
        with(USER, json!({"userPassword": "x"})),
        with("types", json!([{"attribute": "cn", "type": "binary"}])),
        with("types", json!([{"attribute": "member", "type": "binary"}])),
        with("references", json!({})),
        with("references", json!([{"attribute": "manager", "values": ["b"]}])),
        with("references", json!([{"attribute": "member", "values": "b"}])),
        with("references", json!([{"attribute": "member", "values": [1]}])),
        with("references", json!([{"attribute": "member", "operation": "add", "values": ["b"]}])),
        with("cleared", json!(["cn"])),
        json!({"id": "a", "change": "changed", "meta": {"resourceType": "user"},
               "references": [{"attribute": "member", "values": ["b"]}]}),
        json!({"id": "a", "change": "changed", "meta": {"resourceType": "user"},
               "cleared": ["cn"], USER: {"cn": "x"}}),
        json!("ada"),
    ];
    let mut answers: Vec<_> =
        resources.into_iter().map(|one| vec![page(json!([one]), true)]).collect();
    answers.extend([
        vec!["{}\n".to_owned()],
        vec!["not json\n".to_owned()],
        vec!["\n".to_owned()],
        vec!["{\"a\":1,\"A\":2}\n".to_owned()],
        vec![format!("{}\n", "[".repeat(100_000))],
        vec![page(json!({}), true)],
        vec![page(json!([]), true).replace("true", "1")],
        vec![page(json!([]), true).replace("Resources", "nextCursor\":\"{\",\"Resources")],
        vec![page(json!([]), true), page(json!([ada()]), false)],
        vec![page(json!([]), true), "\n".to_owned()],
        vec![page(json!([]), true), page(json!([]), true)],
    ]);
    for answer in answers {
        let told = full(&canned(&answer)).await;
        assert!(told.end.is_none(), "{answer:?}: {told:?}");
        assert!(matches!(told.error, Some(ConnectorError::Protocol(_))), "{answer:?}: {told:?}");
    }
}

#[tokio::test]
async fn an_answer_without_its_end_is_incomplete() {
    let good = page(json!([ada()]), true);
    let cut = good.trim_end().to_owned();
    for answer in [vec![], vec![page(json!([ada()]), false)], vec![cut], vec![good, "{".to_owned()]]
    {
        let told = full(&canned(&answer)).await;
        assert!(told.end.is_none(), "{answer:?}: {told:?}");
        assert!(matches!(told.error, Some(ConnectorError::Incomplete(_))), "{answer:?}: {told:?}");
    }
}

#[tokio::test]
async fn single_objects_that_were_not_asked_for() {
    let protocol = |found: Result<_, ConnectorError>| match found {
        Err(ConnectorError::Protocol(text)) => text,
        other => panic!("{other:?}"),
    };
    let answer = canned(&[page(json!([ada()]), true)]);
    let text = protocol(answer.read(&["bob".into()], &users()).await);
    assert!(text.contains("ada"), "{text}");
    let query = MatchQuery {
        object_type: "user".into(),
        attribute: "cn".into(),
        value: "Ada".into(),
        limit: 1,
    };
    let two = canned(&[page(json!([ada(), ada()]), true)]);
    protocol(two.find(&query, &users()).await);
    let gone = canned(&[page(json!([{"id": "ada", "change": "deleted"}]), true)]);
    protocol(gone.read(&["ada".into()], &users()).await);
    let unfinished = canned(&[page(json!([ada()]), false)]).read(&["ada".into()], &users()).await;
    assert!(matches!(unfinished, Err(ConnectorError::Incomplete(_))), "{unfinished:?}");
}

#[tokio::test]
async fn answers_of_another_kind() {
    let document = |kind: &str| {
        json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "status": "400",
            "detail": "no",
            "urn:ietf:params:scim:schemas:extension:hybrid:2.0:ConnectorError": {"kind": kind},
        })
        .to_string()
    };
    let answer = |status, content_type, body: &str| {
        let body = body.as_bytes().to_vec();
        remote(Arc::new(Canned { status, content_type, body, fails: None }))
    };
    let scim = "application/scim+json";
    for (status, content_type, body) in [
        (200, "text/html", "<html>sign in</html>".to_owned()),
        (200, scim, page(json!([]), true)),
        (204, LINES, page(json!([]), true)),
        (302, LINES, String::new() + " "),
        (502, "text/html", "<html>bad gateway</html>".to_owned()),
        (400, scim, document("somethingNew")),
    ] {
        let told = full(&answer(status, content_type, &body)).await;
        assert!(matches!(told.error, Some(ConnectorError::Protocol(_))), "{status} {told:?}");
    }
    let told = full(&answer(400, scim, &document("credentials"))).await;
    assert!(matches!(&told.error, Some(ConnectorError::Credentials(text)) if text == "no"));
    for schemas in ["{}", "[]", r#"{"schemas":["x"]}"#] {
        let error = answer(200, scim, schemas).schema().await.unwrap_err();
        assert!(matches!(error, ConnectorError::Protocol(_)), "{error:?}");
    }
    // A shout of a hostile agent is not passed on whole.
    let shout = document("forbidden").replace("no", &"x".repeat(1 << 20));
    let error = full(&answer(403, scim, &shout)).await.error.unwrap();
    assert!(matches!(&error, ConnectorError::Forbidden(text) if text.len() < 5000));
}

#[tokio::test]
async fn what_the_relay_says_is_told() {
    let relay = |body: &str, error| {
        let body = body.as_bytes().to_vec();
        let canned = Canned { status: 200, content_type: LINES, body, fails: Some(error) };
        remote(Arc::new(canned))
    };
    let gone = RelayError::Unreachable("no agent of this group is there".to_owned());
    for body in [String::new(), page(json!([]), false), page(json!([]), true)] {
        let told = full(&relay(&body, gone.clone())).await;
        assert!(told.end.is_none());
        let Some(ConnectorError::Unreachable(text)) = told.error else {
            panic!("{:?}", told.error)
        };
        assert_eq!(text, "no agent of this group is there");
    }
    let large = full(&relay("", RelayError::TooLarge("too much".to_owned()))).await.error;
    assert!(matches!(large, Some(ConnectorError::Incomplete(_))));
    let rules = full(&relay("", RelayError::Protocol("what?".to_owned()))).await.error;
    assert!(matches!(rules, Some(ConnectorError::Protocol(_))));
}

/// A relay whose answer never has a line break.
struct Endless;

#[async_trait]
impl Relay for Endless {
    async fn send(
        &self,
        _: http::Request<Bytes>,
        _: Duration,
    ) -> Result<http::Response<RelayBody>, RelayError> {
        let piece = Bytes::from(vec![b' '; 1 << 20]);
        let body = stream::repeat_with(move || Ok(piece.clone())).boxed();
        Ok(http::Response::builder().header("content-type", LINES).body(body).unwrap())
    }
}

#[tokio::test]
async fn a_line_without_end_is_given_up() {
    let told = full(&remote(Arc::new(Endless))).await;
    assert!(matches!(told.error, Some(ConnectorError::Protocol(_))), "{:?}", told.error);
}
