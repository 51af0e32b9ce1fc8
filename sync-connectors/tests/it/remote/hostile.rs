//! Requests that no service would make: each is answered with a SCIM error document.

use scim_sync::connector::{AttributeSchema, TypeSchema, ValueKind};
use scim_sync_connectors::remote::{Cancelled, wire};
use serde_json::{Value, json};

use super::*;

fn system() -> Scripted {
    let known = |kind, multi_valued| AttributeSchema { kind, multi_valued };
    let attributes = [
        ("cn".into(), known(ValueKind::Text, false)),
        ("mail".into(), known(ValueKind::Text, true)),
        ("objectSid".into(), known(ValueKind::Binary, false)),
        ("cn;lang-de".into(), known(ValueKind::Text, true)),
    ];
    let schema = ConnectorSchema {
        types: [("user".into(), TypeSchema { attributes: attributes.into() })].into(),
    };
    let end = Some(ImportEnd { watermark: None, sweep: true });
    Scripted { schema, pages: vec![ImportPage { end, ..ImportPage::default() }], ..scripted() }
}

struct Asked {
    status: u16,
    allow: Option<String>,
    content_type: String,
    body: Vec<u8>,
}

impl Asked {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// What the error document says.
    #[track_caller]
    fn refused(&self, status: u16, scim_type: Option<&str>) -> String {
        let document = self.json();
        assert_eq!(self.status, status, "{document}");
        assert_eq!(self.content_type, wire::SCIM_JSON);
        assert_eq!(document["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:Error"]));
        assert_eq!(document["status"], json!(status.to_string()));
        assert_eq!(document["scimType"].as_str(), scim_type, "{document}");
        document["detail"].as_str().unwrap().to_owned()
    }
}

async fn ask(face: &Face, method: &str, path: &str, body: impl Into<Bytes>) -> Asked {
    let request = http::Request::builder().method(method).uri(path).body(body.into()).unwrap();
    let response = face.answer(request, futures::future::pending()).await;
    let (head, body) = response.into_parts();
    let text = |name: &str| head.headers.get(name).map(|text| text.to_str().unwrap().to_owned());
    let pieces: Vec<_> = body.map(|piece| piece.unwrap()).collect().await;
    assert!(pieces.iter().all(|piece| piece.len() <= wire::PIECE));
    Asked {
        status: head.status.as_u16(),
        allow: text("allow"),
        content_type: text("content-type").unwrap(),
        body: pieces.concat(),
    }
}

fn face() -> (Face, Arc<Scripted>) {
    let system = Arc::new(system());
    (Face::new(Known::new(Arc::clone(&system) as Arc<dyn Connector>)), system)
}

fn search(members: Value) -> String {
    let mut body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"]});
    for (name, value) in members.as_object().unwrap() {
        body[name] = value.clone();
    }
    body.to_string()
}

#[tokio::test]
async fn paths_and_methods_that_are_not_there() {
    let (face, system) = face();
    for path in [
        "/",
        "/corp",
        "/corp/",
        "/corp/Users/x/y",
        "/corp/user",
        "/corp/user/ada",
        "/corp/%ff/.search",
        "/corp/Schemas/urn:x",
        "/corp/ResourceTypes/group",
        "/../.search/x/y",
        "//",
        "/corp/.search/user/.search",
    ] {
        ask(&face, "GET", path, "").await.refused(404, None);
    }
    for directory in ["/other/Schemas", "/%00/Schemas", "//Schemas"] {
        let told = ask(&face, "GET", directory, "").await.refused(404, Some("invalidValue"));
        assert!(told.contains("corp"), "{told}");
    }
    for (method, path, allow) in [
        ("POST", "/corp/Schemas", "GET"),
        ("DELETE", "/corp/ResourceTypes", "GET"),
        ("GET", "/corp/.search", "POST"),
        ("PATCH", "/corp/user/.search", "POST"),
        ("MEOW", "/corp/.search", "POST"),
    ] {
        let told = ask(&face, method, path, search(json!({}))).await;
        told.refused(405, None);
        assert_eq!(told.allow.as_deref(), Some(allow));
    }
    assert!(system.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn searches_that_cannot_be() {
    let (face, system) = face();
    let path = "/corp/.search";
    for body in ["", "{", "[]", "null", "{\"schemas\":[\"x\"]}", "{}", "\u{feff}{}"] {
        ask(&face, "POST", path, body).await.refused(400, Some("invalidSyntax"));
    }
    ask(&face, "POST", path, vec![0xff; 40]).await.refused(400, Some("invalidSyntax"));
    let deep = format!("{{\"filter\":{}", "[".repeat(200_000));
    ask(&face, "POST", path, deep).await.refused(400, Some("invalidSyntax"));
    let large = vec![b' '; wire::MAX_REQUEST + 1];
    ask(&face, "POST", path, large).await.refused(413, None);
    let nested = format!("{}id pr{}", "(".repeat(5000), ")".repeat(5000));
    let many = vec!["id eq \"x\""; 5000].join(" or ");
    for filter in [
        "",
        "id",
        "id eq",
        "id eq 'x'",
        "id ne \"x\"",
        "id eq 5",
        "meta.resourceType eq true",
        "meta.resourceType sw \"u\"",
        "id eq \"x\" and id eq \"y\"",
        "id eq \"x\" or meta.resourceType eq \"user\"",
        "not (id eq \"x\")",
        "id pr",
        "cn eq \"x\" or cn eq \"y\"",
        "mail[type eq \"x\"]",
        "id eq \"x\" and cn eq \"y\"",
        // A value at the endpoint of all types.
        "dn eq \"CN=x\"",
        "x)(objectClass=*",
        &nested,
        &many,
    ] {
        let body = search(json!({"filter": filter}));
        ask(&face, "POST", path, body).await.refused(400, Some("invalidFilter"));
    }
    for filter in [
        "cn eq \"x\"",
        "urn:ietf:params:scim:schemas:core:2.0:User:cn eq \"x\"",
        "dn eq null",
        "dn.x eq \"CN=a\"",
        "meta.resourceType eq \"group\"",
        &format!("{}user:objectSid eq \"not base 64\"", wire::TYPE),
        &format!("{}user:cn eq 1.5", wire::TYPE),
        &format!("{}group:cn eq \"x\"", wire::TYPE),
    ] {
        let body = search(json!({"filter": filter}));
        ask(&face, "POST", "/corp/user/.search", body).await.refused(400, Some("invalidFilter"));
    }
    let group = format!("{}group:cn", wire::TYPE);
    for (members, kind) in [
        (json!({"filter": 5}), "invalidValue"),
        (json!({"count": "x"}), "invalidValue"),
        (json!({"startIndex": 2}), "invalidValue"),
        (json!({"attributes": "cn"}), "invalidValue"),
        (json!({"attributes": ["urn:x:cn"]}), "invalidValue"),
        (json!({"attributes": [group]}), "invalidValue"),
        (json!({"excludedAttributes": ["cn"]}), "invalidValue"),
        (json!({"cursor": 5}), "invalidValue"),
        (json!({"cursor": "{"}), "invalidCursor"),
        (json!({"cursor": "[".repeat(100_000)}), "invalidCursor"),
        (json!({"cursor": "1", "filter": "id eq \"x\""}), "invalidCursor"),
        (json!({wire::REQUEST: []}), "invalidValue"),
        (json!({wire::REQUEST: {"scope": 5}}), "invalidValue"),
        (json!({wire::REQUEST: {"scope": {"include": "x"}}}), "invalidValue"),
        // A part of a scope that is not understood would take in too much.
        (json!({wire::REQUEST: {"scope": {"onlyManagers": true}}}), "invalidValue"),
    ] {
        let told = ask(&face, "POST", path, search(members.clone())).await;
        assert!(!told.refused(400, Some(kind)).is_empty(), "{members}");
    }
    assert!(system.asked.lock().unwrap().is_empty(), "the directory was asked");
}

#[tokio::test]
async fn an_operator_reads_with_the_tools_of_scim() {
    let (face, system) = face();
    let types = ask(&face, "GET", "/corp/ResourceTypes", "").await.json();
    assert_eq!(types["Resources"][0]["name"], json!("user"));
    assert_eq!(types["Resources"][0]["schema"], json!(wire::OBJECT));
    let schemas = ask(&face, "GET", "/corp/Schemas", "").await.json();
    let user = format!("{}user", wire::TYPE);
    assert_eq!(schemas["totalResults"], json!(2));
    assert_eq!(schemas["Resources"][0]["id"], json!(wire::OBJECT));
    let own = ask(&face, "GET", &format!("/corp/Schemas/{user}"), "").await.json();
    assert_eq!(own, schemas["Resources"][1]);
    let sid = &own["attributes"].as_array().unwrap()[3];
    assert_eq!((&sid["name"], &sid["type"]), (&json!("objectSid"), &json!("binary")));
    assert_eq!((&sid["mutability"], &sid["returned"]), (&json!("readOnly"), &json!("request")));
    // The schemas are such as a SCIM registry takes.
    let parsed: Vec<scim_core::Schema> =
        serde_json::from_value(schemas["Resources"].clone()).unwrap();
    assert_eq!(parsed[1].attributes.len(), 4);
    let config = ask(&face, "GET", "/corp/ServiceProviderConfig", "").await.json();
    assert_eq!(
        (&config["filter"]["supported"], &config["patch"]["supported"]),
        (&json!(true), &json!(false))
    );
    let read = ask(&face, "POST", "/corp/user/.search", search(json!({"count": 5}))).await;
    assert_eq!((read.status, read.content_type.as_str()), (200, wire::LINES));
    assert_eq!(read.json()[wire::END], json!({"sweep": true}));
    let filter = format!("{user}:objectSid eq \"AQI=\"");
    ask(&face, "POST", "/corp/user/.search", search(json!({"filter": filter}))).await;
    let asked = system.asked.lock().unwrap();
    assert!(asked[0].starts_with("full"), "{asked:?}");
    assert!(asked[1].contains("Binary([1, 2])"), "{asked:?}");
}

/// A system whose read never ends, and which knows whether it is being read.
struct Endless(Scripted, Arc<AtomicUsize>);

/// Counts down when it is dropped.
struct Held(Arc<AtomicUsize>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl Connector for Endless {
    fn id(&self) -> &ConnectorId {
        self.0.id()
    }

    async fn schema(&self) -> Result<ConnectorSchema, ConnectorError> {
        self.0.schema().await
    }

    fn import<'a>(&'a self, _: ImportRequest) -> BoxStream<'a, Result<ImportPage, ConnectorError>> {
        self.1.fetch_add(1, Ordering::Relaxed);
        let held = Held(Arc::clone(&self.1));
        let first = stream::once(async { Ok(ImportPage::default()) });
        first
            .chain(stream::pending())
            .map(move |page| {
                let _ = &held;
                page
            })
            .boxed()
    }

    async fn read(
        &self,
        anchors: &[Anchor],
        shape: &ImportShape,
    ) -> Result<Vec<ImportedObject>, ConnectorError> {
        self.0.read(anchors, shape).await
    }

    async fn find(
        &self,
        query: &MatchQuery,
        shape: &ImportShape,
    ) -> Result<Vec<ImportedObject>, ConnectorError> {
        self.0.find(query, shape).await
    }

    async fn export(&self, writes: Vec<ExportWrite>) -> Result<Vec<ExportOutcome>, ConnectorError> {
        self.0.export(writes).await
    }
}

#[tokio::test]
async fn who_cancels_ends_the_read() {
    let reading = Arc::new(AtomicUsize::new(0));
    let system = Endless(system(), Arc::clone(&reading));
    let face = Face::new(Known::new(Arc::new(system)));
    let request =
        || http::Request::post("/corp/.search").body(Bytes::from(search(json!({})))).unwrap();
    let (cancel, cancelled) = futures::channel::oneshot::channel::<()>();
    let cancelled = async { cancelled.await.unwrap_or(()) };
    let mut body = face.answer(request(), cancelled).await.into_body();
    assert!(body.next().await.unwrap().is_ok());
    assert_eq!(reading.load(Ordering::Relaxed), 1);
    cancel.send(()).unwrap();
    assert_eq!(body.next().await, Some(Err(Cancelled)));
    assert_eq!(reading.load(Ordering::Relaxed), 0, "the read goes on");
    assert_eq!(body.next().await, None);
    // The same by dropping the body.
    let mut body = face.answer(request(), futures::future::pending()).await.into_body();
    assert!(body.next().await.unwrap().is_ok());
    assert_eq!(reading.load(Ordering::Relaxed), 1);
    drop(body);
    assert_eq!(reading.load(Ordering::Relaxed), 0, "the read goes on");
    // And before there is an answer.
    let response = face.answer(request(), futures::future::ready(())).await;
    assert_eq!(response.status(), 503);
    assert_eq!(reading.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_connector_that_failed_is_opened_again() {
    let failing =
        Scripted { pages: Vec::new(), error: Some(("credentials", "no".to_owned())), ..system() };
    let known = Known::new(Arc::new(failing));
    let face = Face::new(Arc::clone(&known) as Arc<dyn Directories>);
    for opened in 1..4 {
        let told = ask(&face, "POST", "/corp/.search", search(json!({}))).await;
        assert_eq!(told.refused(502, None), "no");
        assert_eq!(known.opened.load(Ordering::Relaxed), opened);
    }
    let known = Known::new(Arc::new(system()));
    let face = Face::new(Arc::clone(&known) as Arc<dyn Directories>);
    for number in 0..40 {
        let scope = json!({"base": format!("OU={number}")});
        let body = search(json!({wire::REQUEST: {"scope": scope}}));
        assert_eq!(ask(&face, "POST", "/corp/.search", body).await.status, 200);
    }
    assert_eq!(known.opened.load(Ordering::Relaxed), 40);
    face.forget();
    assert_eq!(ask(&face, "POST", "/corp/.search", search(json!({}))).await.status, 200);
    assert_eq!(known.opened.load(Ordering::Relaxed), 41);
}
