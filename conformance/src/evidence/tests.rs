use http::HeaderValue;
use serde_json::json;

use super::*;

fn exchange(headers: &[(&'static str, &str)], url: &str, body: &str, token: &str) -> Exchange {
    let secrets = Secrets::default();
    secrets.learn(&format!("Bearer {token}"));
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, HeaderValue::from_str(value).unwrap());
    }
    let sent = Sent {
        method: &Method::POST,
        url,
        headers: &map,
        body: body.as_bytes(),
        own_credentials: true,
    };
    let mut exchange = Exchange::begin(&sent, &secrets);
    exchange.answered(401, &map, body.as_bytes(), &secrets);
    exchange
}

#[test]
fn no_secret_is_anywhere_in_an_exchange() {
    let token = "tok-1234567890";
    let bodies = [
        json!({"userName": "ada", "password": "hunter22"}).to_string(),
        json!({"Operations": [{"op": "replace", "path": "password", "value": "hunter22"}]})
            .to_string(),
        json!({"Operations": [{"op": "add", "value": {"PassWord": "hunter22"}}]}).to_string(),
        json!({"Operations": [{"data": {"password": "hunter22"}}], "x": token}).to_string(),
        json!({"path": "urn:ietf:params:scim:schemas:core:2.0:User:password", "value": "hunter22"})
            .to_string(),
        r#"{"userName":"x", "Password" : "hunter22", broken"#.to_owned(),
        format!("your token {token} is wrong"),
    ];
    for body in bodies {
        let authorization = format!("Bearer {token}");
        let shown = exchange(
            &[
                ("authorization", &authorization),
                ("x-echo", &authorization),
                ("cookie", "hunter22"),
            ],
            &format!("http://h/Users?t={token}"),
            &body,
            token,
        );
        let all = serde_json::to_string(&shown).unwrap();
        assert!(!all.contains(token) && !all.contains("hunter22"), "{all}");
        assert!(shown.curl.contains("\"Authorization: Bearer $SCIM_TOKEN\""), "{}", shown.curl);
    }
}

#[test]
fn a_body_without_secrets_is_shown_as_it_was() {
    let body = "{\"b\": 1,   \"a\":2}";
    let shown = exchange(&[], "http://h/", body, "tok-1234567890");
    assert_eq!(shown.request_body, body);
}

#[test]
fn a_curl_line_survives_quotes() {
    let shown = exchange(&[], "http://h/?f=a'b", r#"{"x":"O'Hara"}"#, "tok-1234567890");
    assert_eq!(
        shown.curl,
        r#"curl -i -X POST 'http://h/?f=a'\''b' --data-binary '{"x":"O'\''Hara"}'"#
    );
}

/// What a shell makes of the line, with a curl that shows its body instead of sending it.
fn body_by_shell(curl: &str) -> String {
    let shown = "curl() { cat; };";
    let output =
        std::process::Command::new("sh").arg("-c").arg(format!("{shown} {curl}")).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_body_that_is_long_by_repetition_is_counted_in_the_curl_line() {
    let filler = "x".repeat(1024 * 1024);
    let body = format!("{{\"a\":\"it's {filler}\",\"b\":\"ä{}\"}}", "0".repeat(300));
    let shown = exchange(&[], "http://h/", &body, "tok-1234567890");
    assert!(shown.curl.len() < 1000, "{}", shown.curl);
    assert_eq!(body_by_shell(&shown.curl), body);
    assert_eq!(shown.request_bytes, body.len());
    assert!(!shown.request_is_cut());
}

#[test]
fn a_body_that_is_long_otherwise_is_named_in_the_curl_line() {
    let body: String = (0..5000).map(|n| format!("{{\"n\":\n{n}}},")).collect();
    let shown = exchange(&[], "http://h/", &body, "tok-1234567890");
    assert!(shown.curl.len() < 500, "{}", shown.curl);
    assert!(shown.curl.contains(&format!("{} bytes", body.len())), "{}", shown.curl);
    assert!(shown.curl.lines().count() == 1 && shown.request_is_cut(), "{}", shown.curl);
}

#[test]
fn long_bodies_are_cut_between_characters() {
    let body = "ä".repeat(BODY_EXCERPT);
    let shown = exchange(&[], "http://h/", &body, "tok-1234567890");
    assert!(shown.request_body.len() < BODY_EXCERPT + 64);
    assert!(shown.request_body.ends_with(&format!("({} bytes in all)", body.len())));
}

#[test]
fn the_exchange_in_focus_is_kept() {
    let evidence = Evidence::default();
    for n in 0..MOST + 50 {
        evidence.begin(Exchange { url: n.to_string(), ..Exchange::default() });
    }
    let (kept, focus) = evidence.take(MOST + 20);
    assert_eq!(kept.len(), MOST);
    assert_eq!(kept[focus].url, (MOST + 20).to_string());
}
